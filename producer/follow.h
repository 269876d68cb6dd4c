/* producer/follow.h: staying with a job until it ends: progress, Ctrl-C, results to collect, and
 * the servers of `tilecrew run`. */
#ifndef PRODUCER_FOLLOW_H
#define PRODUCER_FOLLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "producer/courier.h"
#include "producer/progress.h"
#include "producer/servers.h"
#include "queue/queue.h"

typedef struct Follow {
    Queue *queue;
    const char *job;
    Progress *progress;
    Courier *courier;   /* NULL: results are written by the workers */
    Servers *servers;   /* NULL: the crew belongs to somebody else */
    bool json_lines;    /* a JSON object on standard output whenever something changed */
    bool patient;       /* waits out an outage of Redis, and what is full */
    bool stays_blocked; /* goes on following a job whose output is full; else that is an ERROR_FULL
                         */
    char cursor[64];
    QueueJob now; /* as read last; released by follow_end */
    int64_t looked_ms;
    int attempt;          /* of an outage */
    int full;             /* attempts at something that is full */
    const char *producer; /* who tends the job by looking; NULL: nobody */
    int64_t tended_ms;
} Follow;

/* follow_begin remembers the place in the queue's events, so that no later one is missed. */
int follow_begin(Follow *follow, Error *error);
void follow_end(Follow *follow);

/* follow_look is called often while something else goes on: it looks at the job when it is time.
 * ERROR_CANCELLED after Ctrl-C. */
int follow_look(Follow *follow, Error *error);

/* follow_endure waits a little after a failure that passes by itself: an outage, or something that
 * is full. -1 with the Error as it was for any other, for those who are not patient, and after
 * Ctrl-C. follow_note_success ends such a time. */
int follow_endure(Follow *follow, Error *error);
void follow_note_success(Follow *follow);

/* follow_collect is courier_collect for the follow's courier; a job whose results cannot be written
 * is blocked until they can. */
int follow_collect(Follow *follow, int64_t wait_ms, Error *error);

/* follow_check_gone is for when something failed: says so if Redis knows nothing of the job any
 * more. */
void follow_check_gone(Follow *follow, Error *error);

/* follow_until_end returns 0 when the job is done or cancelled, and `now` says with what. */
int follow_until_end(Follow *follow, Error *error);

/* follow_report names the failed images of the job on standard error, under their roots in `now`;
 * returns how many there are, or -1. */
int64_t follow_report(const Follow *follow, Error *error);

#endif
