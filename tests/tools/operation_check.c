/* Prints every operation's known answer as this machine computes it, for Operation.check:
 * `operation_check [NAME...]`. Exit status 1 where one differs from what its file says. */
#include <stdio.h>
#include <string.h>

#include "compute/check.h"

static int print_one(Device *device, const Operation *operation)
{
    uint64_t hash;
    Error error;

    if (check_operation(device, operation, &hash, &error) != 0) {
        printf("%-12s %s\n", operation->name, error.message);
        return 1;
    }
    printf("%-12s .check = 0x%016llx%s\n", operation->name, (unsigned long long)hash,
           hash == operation->check ? "" : "  differs");
    return hash != operation->check;
}

static int wanted(const char *name, int count, char **names)
{
    for (int i = 1; i < count; i++) {
        if (strcmp(names[i], name) == 0)
            return 1;
    }
    return count == 1;
}

int main(int count, char **names)
{
    Error error;
    Device *device = device_open(&(DeviceOptions){0}, &error);
    size_t operations;
    const Operation *const *list = operation_list(&operations);
    int status = 0;

    if (device == NULL) {
        fprintf(stderr, "%s\n", error.message);
        return 70;
    }
    printf("%s, %s\n", device_name(device), device_driver(device));
    for (size_t i = 0; i < operations; i++) {
        if (wanted(list[i]->name, count, names))
            status |= print_one(device, list[i]);
    }
    device_close(device);
    return status;
}
