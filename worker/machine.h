/* worker/machine.h: what /proc says of this machine and its processes. */
#ifndef WORKER_MACHINE_H
#define WORKER_MACHINE_H

#include <stdint.h>
#include <sys/types.h>

/* Bytes of memory that belong to the process alone (resident, without what it shares); 0 when it is
 * gone. */
int64_t machine_private_bytes(pid_t pid);

/* machine_cpu_percent says how busy the machine's cores were since the last call with this struct,
 * which starts as {0}. */
typedef struct CpuTimes {
    uint64_t busy;
    uint64_t all;
} CpuTimes;
double machine_cpu_percent(CpuTimes *last);

/* How many cores this process may use: its affinity mask, at least 1. */
int machine_cores(void);

#endif
