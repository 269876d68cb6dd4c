/* producer/header.h: a file read in small pieces from its beginning, for looking at headers.
 * Nothing is read ahead: a walk over an archive must not pull it all through the disk. */
#ifndef PRODUCER_HEADER_H
#define PRODUCER_HEADER_H

#include "base/bytes.h"

/* header_open opens the regular file `path`, which is borrowed. */
ByteSource *header_open(const char *path, Error *error);

#endif
