#include "producer/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int session_open(Session *session, const Settings *settings, const CommandLine *line, Error *error)
{
    *session = (Session){.settings = settings, .line = line};
    if (config_load(&session->config, settings->config, error) != 0)
        return -1;
    if (config_apply_arguments(&session->config, line, error) != 0) {
        config_free(&session->config);
        return -1;
    }
    return 0;
}

int session_connect(Session *session, Error *error)
{
    const Config *config = &session->config;
    QueueOptions where = {.url = config->redis.url,
                          .password_file = config->redis.password_file,
                          .name = config->redis.queue,
                          .connect_timeout_ms = config->redis.connect_timeout_ms,
                          .command_timeout_ms = config->redis.command_timeout_ms};

    session->queue = queue_open(&where, error);
    return session->queue == NULL ? -1 : 0;
}

void session_close(Session *session)
{
    if (session->queue != NULL)
        queue_close(session->queue);
    config_free(&session->config);
}

int session_start(Session *session, const Settings *settings, const CommandLine *line, Error *error)
{
    if (session_open(session, settings, line, error) != 0)
        return -1;
    if (session_connect(session, error) == 0)
        return 0;
    session_close(session);
    return -1;
}

static int session_pick_job(const QueueJob *jobs, size_t count, char id[QUEUE_JOB_ID])
{
    const QueueJob *picked = count > 0 ? &jobs[0] : NULL;

    for (size_t i = 0; i < count; i++)
        if (jobs[i].state != JOB_DONE && jobs[i].state != JOB_CANCELLED) {
            picked = &jobs[i];
            break;
        }
    if (picked == NULL)
        return -1;
    memcpy(id, picked->id, QUEUE_JOB_ID);
    return 0;
}

int session_find_job(Session *session, int index, char id[QUEUE_JOB_ID], Error *error)
{
    QueueJob *jobs;
    size_t count;
    int status;

    if (index < session->line->operand_count) {
        const char *named = session->line->operands[index];

        if (strlen(named) >= QUEUE_JOB_ID)
            return error_set(error, ERROR_USAGE, "there is no job '%s'; see 'tilecrew status'",
                             named);
        snprintf(id, QUEUE_JOB_ID, "%s", named);
        return 0;
    }
    if (queue_list_jobs(session->queue, &jobs, &count, error) != 0)
        return -1;
    status = session_pick_job(jobs, count, id);
    for (size_t i = 0; i < count; i++)
        queue_free_job(&jobs[i]);
    free(jobs);
    if (status != 0)
        return error_set(error, ERROR_USAGE, "there are no jobs in queue '%s' at %s",
                         session->config.redis.queue, queue_display_url(session->queue));
    return 0;
}
