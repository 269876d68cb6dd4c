/* The monitor's rule of when a backup worker is called and dismissed, without Redis and without
 * waiting. Each test tells a story second by second. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "monitor/liveness.c" /* a program's files: not in the library */
#include "monitor/reserve.c"

enum { CREW_MOST = 8, SECOND = 1000 };

static const char *const no_wakers[] = {NULL};
static const char *const one_waker[] = {"command", NULL};

typedef struct Fleet {
    QueueWorker workers[CREW_MOST];
    bool silent[CREW_MOST];
    size_t count;
    int64_t now;
    Liveness liveness;
    Reserve reserve;
    ReserveName who;
} Fleet;

static void fleet_begin(Fleet *fleet, const char *const *outside)
{
    const LivenessRules alive = {
        .dead_after_ms = 5 * SECOND, .gap_ms = 3500, .grace_ms = 60 * SECOND};
    const ReserveRules rules = {.min_workers = 2,
                                .wake_after_ms = 5 * SECOND,
                                .wake_timeout_ms = 15 * SECOND,
                                .stand_down_after_ms = 30 * SECOND,
                                .stale_ms = 2500,
                                .outside = outside};

    *fleet = (Fleet){.now = 1000 * SECOND};
    liveness_begin(&fleet->liveness, &alive);
    reserve_begin(&fleet->reserve, &rules);
}

static void fleet_end(Fleet *fleet)
{
    liveness_free(&fleet->liveness);
    reserve_free(&fleet->reserve);
}

static QueueWorker *fleet_add(Fleet *fleet, const char *id, QueueWorkerState state)
{
    QueueWorker *worker = &fleet->workers[fleet->count++];

    *worker = (QueueWorker){.lanes = 1, .state = state, .backup = state == WORKER_STANDBY};
    snprintf(worker->id, sizeof worker->id, "%s", id);
    return worker;
}

/* A second passes: those that are not silent have beaten, and the monitor looks. */
static ReserveStep fleet_tick(Fleet *fleet)
{
    fleet->now += SECOND;
    for (size_t i = 0; i < fleet->count; i++)
        fleet->workers[i].beat += !fleet->silent[i];
    liveness_look(&fleet->liveness, fleet->workers, fleet->count, fleet->now);
    reserve_look(&fleet->reserve, &fleet->liveness, fleet->now);
    return reserve_next(&fleet->reserve, &fleet->liveness, fleet->now, fleet->who);
}

static ReserveStep fleet_go_on(Fleet *fleet)
{
    return reserve_next(&fleet->reserve, &fleet->liveness, fleet->now, fleet->who);
}

/* Nothing is to be done for so many seconds. */
static void fleet_rest(Fleet *fleet, int seconds)
{
    for (int i = 0; i < seconds; i++)
        assert_int_equal(fleet_tick(fleet), RESERVE_NOTHING);
}

#define expect(fleet, step, name)                                                                  \
    do {                                                                                           \
        assert_int_equal(step, name);                                                              \
        assert_int_equal(fleet_go_on(fleet), RESERVE_NOTHING);                                     \
    } while (0)

static void enough_workers_wake_nobody(void **state)
{
    Fleet fleet;

    (void)state;
    fleet_begin(&fleet, one_waker);
    fleet_add(&fleet, "a", WORKER_LIVE);
    fleet_add(&fleet, "b", WORKER_LIVE);
    fleet_add(&fleet, "s", WORKER_STANDBY);
    fleet_rest(&fleet, 100);
    fleet_end(&fleet);
}

static void one_too_few_wakes_after_wake_after_and_not_before(void **state)
{
    Fleet fleet;

    (void)state;
    fleet_begin(&fleet, one_waker);
    fleet_add(&fleet, "a", WORKER_LIVE);
    fleet_add(&fleet, "s", WORKER_STANDBY);
    fleet_rest(&fleet, 5);
    assert_int_equal(fleet_tick(&fleet), RESERVE_WAKE);
    assert_string_equal(fleet.who, "s");
    fleet.workers[1].state = WORKER_LIVE;
    assert_int_equal(fleet_tick(&fleet), RESERVE_WOKEN);
    assert_string_equal(fleet.who, "s");
    fleet_rest(&fleet, 100); /* it is needed: it does not stand down */
    fleet_end(&fleet);
}

static void none_alive_wakes_at_once(void **state)
{
    Fleet fleet;

    (void)state;
    fleet_begin(&fleet, no_wakers);
    fleet_add(&fleet, "s", WORKER_STANDBY);
    assert_int_equal(fleet_tick(&fleet), RESERVE_WAKE);
    fleet_end(&fleet);
}

static void a_short_dip_wakes_nobody(void **state)
{
    Fleet fleet;
    QueueWorker *second;

    (void)state;
    fleet_begin(&fleet, no_wakers);
    fleet_add(&fleet, "a", WORKER_LIVE);
    fleet_add(&fleet, "s", WORKER_STANDBY);
    second = fleet_add(&fleet, "b", WORKER_DRAINING);
    for (int round = 0; round < 10; round++) {
        second->state = WORKER_DRAINING; /* one that leaves counts no more */
        fleet_rest(&fleet, 4);
        second->state = WORKER_LIVE;
        fleet_rest(&fleet, 1);
    }
    fleet_end(&fleet);
}

static void silence_counts_as_death_only_after_dead_after(void **state)
{
    Fleet fleet;

    (void)state;
    fleet_begin(&fleet, no_wakers);
    fleet_add(&fleet, "a", WORKER_LIVE);
    fleet_add(&fleet, "s", WORKER_STANDBY);
    fleet_add(&fleet, "b", WORKER_LIVE);
    fleet_rest(&fleet, 1);
    fleet.silent[0] = fleet.silent[2] = true;
    fleet_rest(&fleet, 4);
    assert_int_equal(fleet_tick(&fleet), RESERVE_WAKE); /* none is alive: at once */
    fleet_end(&fleet);
}

static void who_does_not_answer_in_time_has_failed_and_the_next_one_is_called(void **state)
{
    Fleet fleet;

    (void)state;
    fleet_begin(&fleet, one_waker);
    fleet_add(&fleet, "s", WORKER_STANDBY);
    fleet_add(&fleet, "t", WORKER_STANDBY);
    assert_int_equal(fleet_tick(&fleet), RESERVE_WAKE);
    assert_string_equal(fleet.who, "s");
    fleet_rest(&fleet, 4);
    assert_int_equal(fleet_tick(&fleet), RESERVE_NO_WORKERS);
    fleet_rest(&fleet, 9);
    assert_int_equal(fleet_tick(&fleet), RESERVE_FAILED);
    assert_string_equal(fleet.who, "s");
    assert_int_equal(fleet_go_on(&fleet), RESERVE_WAKE);
    assert_string_equal(fleet.who, "t");
    fleet_rest(&fleet, 14);
    assert_int_equal(fleet_tick(&fleet), RESERVE_FAILED);
    assert_int_equal(fleet_go_on(&fleet), RESERVE_WAKE);
    assert_string_equal(fleet.who, "command");
    fleet_end(&fleet);
}

static void when_all_have_failed_there_is_a_pause_before_the_first_is_called_again(void **state)
{
    Fleet fleet;

    (void)state;
    fleet_begin(&fleet, no_wakers);
    fleet.reserve.none_said = true;
    fleet_add(&fleet, "s", WORKER_STANDBY);
    assert_int_equal(fleet_tick(&fleet), RESERVE_WAKE);
    reserve_fail(&fleet.reserve, "another", fleet.now); /* not the one that is called */
    assert_string_equal(fleet.reserve.called, "s");
    reserve_fail(&fleet.reserve, "s", fleet.now);
    assert_int_equal(fleet_go_on(&fleet), RESERVE_NOTHING);
    fleet.reserve.none_said = false;
    fleet.reserve.none_ms = fleet.now + 1000 * SECOND; /* not what this story is about */
    for (int i = 0; i < 14; i++)
        assert_int_not_equal(fleet_tick(&fleet), RESERVE_WAKE);
    assert_int_equal(fleet_tick(&fleet), RESERVE_WAKE);
    assert_string_equal(fleet.who, "s");
    fleet_end(&fleet);
}

static void who_dies_after_the_call_has_failed_at_once(void **state)
{
    Fleet fleet;

    (void)state;
    fleet_begin(&fleet, no_wakers);
    fleet_add(&fleet, "s", WORKER_STANDBY);
    fleet_add(&fleet, "t", WORKER_STANDBY);
    assert_int_equal(fleet_tick(&fleet), RESERVE_WAKE);
    fleet.workers[0].state = WORKER_FENCED;
    assert_int_equal(fleet_tick(&fleet), RESERVE_FAILED);
    assert_int_equal(fleet_go_on(&fleet), RESERVE_WAKE);
    assert_string_equal(fleet.who, "t");
    fleet.count = 1; /* it has left */
    assert_int_equal(fleet_tick(&fleet), RESERVE_FAILED);
    fleet_end(&fleet);
}

static void a_fresh_beat_is_called_before_a_stale_one(void **state)
{
    Fleet fleet;

    (void)state;
    fleet_begin(&fleet, no_wakers);
    fleet_add(&fleet, "a", WORKER_LIVE);
    fleet_add(&fleet, "s", WORKER_STANDBY);
    fleet_add(&fleet, "t", WORKER_STANDBY);
    fleet_rest(&fleet, 1);
    fleet.silent[1] = true; /* it died together with a, but less than dead_after ago */
    fleet_rest(&fleet, 3);
    fleet.workers[0].state = WORKER_FENCED;
    assert_int_equal(fleet_tick(&fleet), RESERVE_WAKE);
    assert_string_equal(fleet.who, "t");
    fleet_end(&fleet);
}

static void one_woken_is_followed_by_the_next_while_there_are_too_few(void **state)
{
    Fleet fleet;

    (void)state;
    fleet_begin(&fleet, no_wakers);
    fleet_add(&fleet, "s", WORKER_STANDBY);
    fleet_add(&fleet, "t", WORKER_STANDBY);
    assert_int_equal(fleet_tick(&fleet), RESERVE_WAKE);
    fleet_rest(&fleet, 3);
    fleet.workers[0].state = WORKER_LIVE;
    assert_int_equal(fleet_tick(&fleet), RESERVE_WOKEN);
    expect(&fleet, fleet_tick(&fleet), RESERVE_WAKE); /* too few for five seconds by now */
    assert_string_equal(fleet.reserve.called, "t");
    fleet_end(&fleet);
}

static void a_waker_outside_has_worked_when_there_are_more_workers(void **state)
{
    Fleet fleet;

    (void)state;
    fleet_begin(&fleet, one_waker);
    assert_int_equal(fleet_tick(&fleet), RESERVE_WAKE);
    assert_string_equal(fleet.who, "command");
    fleet_rest(&fleet, 3);
    fleet_add(&fleet, "new", WORKER_LIVE);
    assert_int_equal(fleet_tick(&fleet), RESERVE_WOKEN);
    assert_string_equal(fleet.who, "command");
    fleet_end(&fleet);
}

static void a_backup_stands_down_when_enough_others_have_been_back_for_long_enough(void **state)
{
    Fleet fleet;
    QueueWorker *backup;

    (void)state;
    fleet_begin(&fleet, no_wakers);
    fleet_add(&fleet, "a", WORKER_LIVE);
    backup = fleet_add(&fleet, "s", WORKER_STANDBY);
    backup->state = WORKER_LIVE;
    fleet_rest(&fleet, 60);
    fleet_add(&fleet, "b", WORKER_LIVE);
    fleet_rest(&fleet, 30);
    assert_int_equal(fleet_tick(&fleet), RESERVE_STAND_DOWN);
    assert_string_equal(fleet.who, "s");
    fleet_rest(&fleet, 10); /* it finishes its tiles */
    backup->state = WORKER_STANDBY;
    assert_int_equal(fleet_tick(&fleet), RESERVE_STOOD_DOWN);
    assert_string_equal(fleet.who, "s");
    fleet_rest(&fleet, 100);
    fleet_end(&fleet);
}

static void two_backups_do_not_replace_each_other(void **state)
{
    Fleet fleet;

    (void)state;
    fleet_begin(&fleet, no_wakers);
    fleet_add(&fleet, "s", WORKER_STANDBY)->state = WORKER_LIVE;
    fleet_add(&fleet, "t", WORKER_STANDBY)->state = WORKER_LIVE;
    fleet_rest(&fleet, 100); /* two are needed, and there are only these */
    fleet_add(&fleet, "a", WORKER_LIVE);
    fleet_rest(&fleet, 30);
    assert_int_equal(fleet_tick(&fleet), RESERVE_STAND_DOWN); /* one of them can be spared */
    fleet_rest(&fleet, 10);
    fleet_end(&fleet);
}

static void
one_that_was_told_to_stand_down_counts_no_more_and_is_told_again_if_it_did_not_hear(void **state)
{
    Fleet fleet;

    (void)state;
    fleet_begin(&fleet, no_wakers);
    fleet_add(&fleet, "a", WORKER_LIVE);
    fleet_add(&fleet, "s", WORKER_STANDBY)->state = WORKER_LIVE;
    fleet_add(&fleet, "b", WORKER_LIVE);
    fleet_add(&fleet, "t", WORKER_STANDBY);
    fleet_rest(&fleet, 30);
    assert_int_equal(fleet_tick(&fleet), RESERVE_STAND_DOWN);
    assert_int_equal(fleet.reserve.alive, 2);
    fleet_rest(&fleet, 15 + 30); /* wake_timeout, then stand_down_after again */
    assert_int_equal(fleet_tick(&fleet), RESERVE_STAND_DOWN);
    fleet.workers[0].state = fleet.workers[2].state = WORKER_FENCED;
    assert_int_equal(fleet_tick(&fleet), RESERVE_WAKE);
    assert_string_equal(fleet.who, "t");
    fleet_end(&fleet);
}

static void no_workers_is_said_once_and_so_is_their_return(void **state)
{
    Fleet fleet;

    (void)state;
    fleet_begin(&fleet, no_wakers);
    fleet_rest(&fleet, 5);
    assert_int_equal(fleet_tick(&fleet), RESERVE_NO_WORKERS);
    fleet_rest(&fleet, 100);
    fleet_add(&fleet, "a", WORKER_LIVE);
    assert_int_equal(fleet_tick(&fleet), RESERVE_BACK);
    fleet_rest(&fleet, 10);
    fleet_end(&fleet);
}

static void with_min_workers_0_nobody_is_woken(void **state)
{
    Fleet fleet;

    (void)state;
    fleet_begin(&fleet, one_waker);
    fleet.reserve.rules.min_workers = 0;
    fleet.reserve.none_said = true;
    fleet_add(&fleet, "s", WORKER_STANDBY);
    fleet_rest(&fleet, 5);
    for (int i = 0; i < 100; i++)
        assert_int_not_equal(fleet_tick(&fleet), RESERVE_WAKE);
    fleet_end(&fleet);
}

static void a_follower_that_takes_the_lead_needs_no_time(void **state)
{
    Fleet fleet;

    (void)state;
    fleet_begin(&fleet, no_wakers);
    fleet_add(&fleet, "a", WORKER_LIVE);
    fleet_add(&fleet, "s", WORKER_STANDBY);
    for (int i = 0; i < 20; i++) { /* it only looks */
        fleet.now += SECOND;
        fleet.workers[0].beat++;
        fleet.workers[1].beat++;
        liveness_look(&fleet.liveness, fleet.workers, fleet.count, fleet.now);
        reserve_look(&fleet.reserve, &fleet.liveness, fleet.now);
    }
    reserve_forget_calls(&fleet.reserve);
    assert_int_equal(fleet_go_on(&fleet), RESERVE_WAKE);
    fleet_end(&fleet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(enough_workers_wake_nobody),
        cmocka_unit_test(one_too_few_wakes_after_wake_after_and_not_before),
        cmocka_unit_test(none_alive_wakes_at_once),
        cmocka_unit_test(a_short_dip_wakes_nobody),
        cmocka_unit_test(silence_counts_as_death_only_after_dead_after),
        cmocka_unit_test(who_does_not_answer_in_time_has_failed_and_the_next_one_is_called),
        cmocka_unit_test(when_all_have_failed_there_is_a_pause_before_the_first_is_called_again),
        cmocka_unit_test(who_dies_after_the_call_has_failed_at_once),
        cmocka_unit_test(a_fresh_beat_is_called_before_a_stale_one),
        cmocka_unit_test(one_woken_is_followed_by_the_next_while_there_are_too_few),
        cmocka_unit_test(a_waker_outside_has_worked_when_there_are_more_workers),
        cmocka_unit_test(a_backup_stands_down_when_enough_others_have_been_back_for_long_enough),
        cmocka_unit_test(two_backups_do_not_replace_each_other),
        cmocka_unit_test(
            one_that_was_told_to_stand_down_counts_no_more_and_is_told_again_if_it_did_not_hear),
        cmocka_unit_test(no_workers_is_said_once_and_so_is_their_return),
        cmocka_unit_test(with_min_workers_0_nobody_is_woken),
        cmocka_unit_test(a_follower_that_takes_the_lead_needs_no_time),
    };

    return cmocka_run_group_tests_name("reserve", tests, NULL, NULL);
}
