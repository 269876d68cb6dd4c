#include "worker/pace.h"

static const double ahead_us = 20000; /* this much work is claimed at once */
static const double round_trips = 4;  /* and what these take */
static const double weight = 0.25;    /* of the newest measurement */
static const double least_tile = 20;  /* a tile never takes less: keeps quotients finite */
static const double keep_factor = 2;  /* estimates are rough: put back only what is far too much */

static void pace_blend(double *average, double value)
{
    *average = *average == 0 ? value : *average + weight * (value - *average);
}

void pace_note_tile(Pace *pace, int64_t taken, int64_t pixels)
{
    const double tile = (double)taken > least_tile ? (double)taken : least_tile;

    pace_blend(&pace->tile, tile);
    if (pixels > 0)
        pace_blend(&pace->pixel, tile / (double)pixels);
}

void pace_note_round_trip(Pace *pace, int64_t taken)
{
    pace_blend(&pace->round_trip, (double)taken);
}

static double pace_budget(const Pace *pace)
{
    return ahead_us + round_trips * pace->round_trip;
}

int pace_depth(const Pace *pace)
{
    const double depth = pace->tile == 0 ? 1 : pace_budget(pace) / pace->tile;

    if (depth <= 1)
        return 1;
    return depth >= pace->most ? pace->most : (int)depth + 1;
}

bool pace_may_wait(const Pace *pace, int64_t ahead, int64_t pixels)
{
    return pace->pixel * (double)(ahead + pixels) <= keep_factor * pace_budget(pace);
}

int64_t pace_hold(const Pace *pace)
{
    const double hold = 2 * pace->round_trip;

    return (int64_t)(hold > ahead_us ? hold : ahead_us);
}
