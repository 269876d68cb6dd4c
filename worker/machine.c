#include "worker/machine.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_CPUS = 8192, CPU_FIELDS = 8, CPU_IDLE = 3, CPU_WAITS = 4, PROC_PATH = 48, LINE = 512 };

/* Reads the numbers behind `prefix` in a file's first line; how many there were, at most `most`. */
static int machine_read_numbers(const char *path, const char *prefix, uint64_t *numbers, int most)
{
    FILE *file = fopen(path, "re");
    char line[LINE] = "";
    char *at = line, *end = NULL;
    int count = 0;

    if (file == NULL)
        return 0;
    if (fgets(line, sizeof line, file) != NULL && strncmp(line, prefix, strlen(prefix)) == 0)
        at += strlen(prefix);
    fclose(file);
    for (; count < most; count++, at = end) {
        numbers[count] = strtoull(at, &end, 10);
        if (end == at)
            break;
    }
    return count;
}

int64_t machine_private_bytes(pid_t pid)
{
    enum { ALL, RESIDENT, SHARED, STATM_FIELDS };
    uint64_t pages[STATM_FIELDS];
    char path[PROC_PATH];

    snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    if (machine_read_numbers(path, "", pages, STATM_FIELDS) < STATM_FIELDS ||
        pages[RESIDENT] < pages[SHARED])
        return 0;
    return (int64_t)(pages[RESIDENT] - pages[SHARED]) * sysconf(_SC_PAGESIZE);
}

double machine_cpu_percent(CpuTimes *last)
{
    uint64_t field[CPU_FIELDS];
    CpuTimes now = {0};
    double percent = 0;

    if (machine_read_numbers("/proc/stat", "cpu ", field, CPU_FIELDS) < CPU_FIELDS)
        return 0;
    for (int i = 0; i < CPU_FIELDS; i++) {
        now.all += field[i];
        now.busy += i == CPU_IDLE || i == CPU_WAITS ? 0 : field[i];
    }
    if (last->all != 0 && now.all > last->all && now.busy >= last->busy)
        percent = 100.0 * (double)(now.busy - last->busy) / (double)(now.all - last->all);
    *last = now;
    return percent;
}

int machine_cores(void)
{
    cpu_set_t *set = CPU_ALLOC(MOST_CPUS);
    int count = 0;

    if (set == NULL)
        return 1;
    if (sched_getaffinity(0, CPU_ALLOC_SIZE(MOST_CPUS), set) == 0)
        count = CPU_COUNT_S(CPU_ALLOC_SIZE(MOST_CPUS), set);
    CPU_FREE(set);
    return count > 0 ? count : 1;
}
