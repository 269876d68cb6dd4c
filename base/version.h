/* base/version.h: the version of the programs, as --version, workers' records and cache keys say
 * it. */
#ifndef BASE_VERSION_H
#define BASE_VERSION_H

#define TILECREW_VERSION "0.1.0"

#endif
