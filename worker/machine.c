#include "worker/machine.h"

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

enum { MOST_CPUS = 8192, CPU_FIELDS = 8, CPU_IDLE = 3, CPU_WAITS = 4, PROC_PATH = 48 };

int64_t machine_private_bytes(pid_t pid)
{
    char path[PROC_PATH];
    int64_t resident = 0, shared = 0;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    file = fopen(path, "re");
    if (file == NULL)
        return 0;
    if (fscanf(file, "%*d %" SCNd64 " %" SCNd64, &resident, &shared) != 2)
        resident = shared = 0;
    fclose(file);
    return (resident - shared) * sysconf(_SC_PAGESIZE);
}

double machine_cpu_percent(CpuTimes *last)
{
    uint64_t field[CPU_FIELDS] = {0};
    CpuTimes now = {0};
    double percent = 0;
    FILE *file = fopen("/proc/stat", "re");

    if (file == NULL)
        return 0;
    if (fscanf(file,
               "cpu %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
               " %" SCNu64 " %" SCNu64,
               &field[0], &field[1], &field[2], &field[3], &field[4], &field[5], &field[6],
               &field[7]) == CPU_FIELDS)
        for (int i = 0; i < CPU_FIELDS; i++) {
            now.all += field[i];
            now.busy += i == CPU_IDLE || i == CPU_WAITS ? 0 : field[i];
        }
    fclose(file);
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
