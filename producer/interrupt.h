/* producer/interrupt.h: Ctrl-C and SIGTERM as a count to look at, for commands that must clean up
 * or say something before they end. */
#ifndef PRODUCER_INTERRUPT_H
#define PRODUCER_INTERRUPT_H

/* interrupt_catch makes SIGINT, SIGTERM and SIGHUP count instead of kill, and ignores SIGPIPE. */
void interrupt_catch(void);
int interrupt_count(void);

#endif
