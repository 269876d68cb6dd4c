/* The monitor's rule of who is alive, without Redis and without waiting. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "monitor/liveness.c" /* a program's file: not in the library */

static const LivenessRules rules = {.dead_after_ms = 5000, .gap_ms = 3500, .grace_ms = 60000};

static QueueWorker worker_at(const char *id, int64_t beat)
{
    QueueWorker worker = {.beat = beat, .lanes = 2, .state = WORKER_LIVE};

    snprintf(worker.id, sizeof worker.id, "%s", id);
    return worker;
}

static LivenessVerdict verdict_on(const Liveness *liveness, const char *id, int64_t now)
{
    for (size_t i = 0; i < liveness->count; i++)
        if (strcmp(liveness->watches[i].id, id) == 0)
            return liveness_judge(liveness, &liveness->watches[i], now);
    fail_msg("%s is not watched", id);
    return LIVENESS_ALIVE;
}

/* Looks once a second from `from` to `to`, at a list that does not change. */
static void look_on(Liveness *liveness, const QueueWorker *workers, size_t count, int64_t from,
                    int64_t to)
{
    for (int64_t now = from; now <= to; now += 1000)
        liveness_look(liveness, workers, count, now);
}

static void a_worker_whose_beat_moves_is_alive(void **state)
{
    Liveness liveness;

    (void)state;
    liveness_begin(&liveness, &rules);
    for (int64_t second = 0; second < 100; second++) {
        QueueWorker worker = worker_at("a", second / 4); /* every fourth second is enough */
        liveness_look(&liveness, &worker, 1, second * 1000);
        assert_int_equal(verdict_on(&liveness, "a", second * 1000), LIVENESS_ALIVE);
    }
    liveness_free(&liveness);
}

static void silence_of_dead_after_is_death_and_not_a_moment_less(void **state)
{
    QueueWorker worker = worker_at("a", 7);
    Liveness liveness;

    (void)state;
    liveness_begin(&liveness, &rules);
    look_on(&liveness, &worker, 1, 1000, 5000);
    assert_int_equal(verdict_on(&liveness, "a", 5999), LIVENESS_ALIVE);
    liveness_look(&liveness, &worker, 1, 6000);
    assert_int_equal(verdict_on(&liveness, "a", 6000), LIVENESS_SILENT);
    liveness_free(&liveness);
}

static void a_beat_may_go_backwards(void **state)
{
    QueueWorker worker = worker_at("a", 7);
    Liveness liveness;

    (void)state;
    liveness_begin(&liveness, &rules);
    look_on(&liveness, &worker, 1, 1000, 5000);
    worker.beat = 3; /* Redis came back with an older history: it still is a change */
    liveness_look(&liveness, &worker, 1, 6000);
    assert_int_equal(verdict_on(&liveness, "a", 6000), LIVENESS_ALIVE);
    liveness_free(&liveness);
}

static void a_late_look_accuses_nobody(void **state)
{
    QueueWorker worker = worker_at("a", 7);
    Liveness liveness;

    (void)state;
    liveness_begin(&liveness, &rules);
    liveness_look(&liveness, &worker, 1, 1000);
    liveness_look(&liveness, &worker, 1, 61000); /* this process stood still for a minute */
    assert_int_equal(verdict_on(&liveness, "a", 61000), LIVENESS_ALIVE);
    look_on(&liveness, &worker, 1, 62000, 66000);
    assert_int_equal(verdict_on(&liveness, "a", 66000), LIVENESS_SILENT);
    liveness_free(&liveness);
}

static void forgiveness_gives_a_fresh_dead_after(void **state)
{
    QueueWorker worker = worker_at("a", 7);
    Liveness liveness;

    (void)state;
    liveness_begin(&liveness, &rules);
    look_on(&liveness, &worker, 1, 1000, 5000);
    liveness_forgive(&liveness, 5500);
    liveness_look(&liveness, &worker, 1, 6000);
    assert_int_equal(verdict_on(&liveness, "a", 10499), LIVENESS_ALIVE);
    assert_int_equal(verdict_on(&liveness, "a", 10500), LIVENESS_SILENT);
    liveness_free(&liveness);
}

static void a_fenced_worker_is_forgotten_after_a_quiet_grace_only(void **state)
{
    QueueWorker worker = worker_at("a", 7);
    Liveness liveness;

    (void)state;
    worker.state = WORKER_FENCED;
    liveness_begin(&liveness, &rules);
    look_on(&liveness, &worker, 1, 1000, 50000);
    assert_int_equal(verdict_on(&liveness, "a", 50000), LIVENESS_FENCED);
    liveness_stir(&liveness.watches[0], 50000); /* a claim turned up */
    look_on(&liveness, &worker, 1, 51000, 109000);
    assert_int_equal(verdict_on(&liveness, "a", 109000), LIVENESS_FENCED);
    assert_int_equal(verdict_on(&liveness, "a", 110000), LIVENESS_FORGETTABLE);
    liveness_free(&liveness);
}

static void the_grace_of_a_fenced_worker_outlives_an_outage(void **state)
{
    QueueWorker worker = worker_at("a", 7);
    Liveness liveness;

    (void)state;
    worker.state = WORKER_FENCED;
    liveness_begin(&liveness, &rules);
    liveness_look(&liveness, &worker, 1, 1000);
    liveness_forgive(&liveness, 30000);
    liveness_look(&liveness, &worker, 1, 61000);
    assert_int_equal(verdict_on(&liveness, "a", 61000), LIVENESS_FORGETTABLE);
    liveness_free(&liveness);
}

static void workers_may_come_go_and_change_places(void **state)
{
    enum { CROWD = 100 };
    QueueWorker crowd[CROWD];
    Liveness liveness;
    char id[QUEUE_WORKER_ID];

    (void)state;
    liveness_begin(&liveness, &rules);
    for (int second = 0; second < 20; second++) {
        for (int i = 0; i < CROWD; i++) { /* turned by one each second; number 3 is silent */
            int who = (i + second) % CROWD;
            snprintf(id, sizeof id, "w%d", who);
            crowd[i] = worker_at(id, who == 3 ? 1 : second);
        }
        liveness_look(&liveness, crowd, CROWD, second * 1000);
    }
    assert_int_equal(liveness.count, CROWD);
    assert_int_equal(verdict_on(&liveness, "w3", 19000), LIVENESS_SILENT);
    assert_int_equal(verdict_on(&liveness, "w4", 19000), LIVENESS_ALIVE);
    liveness_look(&liveness, crowd, 1, 20000); /* all but one left */
    assert_int_equal(liveness.count, 1);
    liveness_look(&liveness, NULL, 0, 21000);
    assert_int_equal(liveness.count, 0);
    liveness_free(&liveness);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_worker_whose_beat_moves_is_alive),
        cmocka_unit_test(silence_of_dead_after_is_death_and_not_a_moment_less),
        cmocka_unit_test(a_beat_may_go_backwards),
        cmocka_unit_test(a_late_look_accuses_nobody),
        cmocka_unit_test(forgiveness_gives_a_fresh_dead_after),
        cmocka_unit_test(a_fenced_worker_is_forgotten_after_a_quiet_grace_only),
        cmocka_unit_test(the_grace_of_a_fenced_worker_outlives_an_outage),
        cmocka_unit_test(workers_may_come_go_and_change_places),
    };

    return cmocka_run_group_tests_name("liveness", tests, NULL, NULL);
}
