#include "producer/crew.h"

#include <string.h>

#include "base/memory.h"
#include "base/text.h"

static const char *codecs_of(const QueueWorker *worker)
{
    return worker->codecs != NULL ? worker->codecs : "";
}

/* is_first says whether no worker before this one has its codecs. */
static bool is_first(const QueueWorker *workers, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (workers[i].state != WORKER_FENCED &&
            strcmp(codecs_of(&workers[i]), codecs_of(&workers[index])) == 0)
            return false;
    return true;
}

char *crew_mixed_codecs(const QueueWorker *workers, size_t count)
{
    Text text = {0};
    int versions = 0;

    for (size_t i = 0; i < count; i++) {
        if (workers[i].state == WORKER_FENCED || !is_first(workers, i))
            continue;
        text_add_format(&text, "%s%s (%s)", versions > 0 ? "; " : "", codecs_of(&workers[i]),
                        workers[i].id);
        versions++;
    }
    if (versions > 1)
        return text_take(&text);
    text_free(&text);
    return NULL;
}
