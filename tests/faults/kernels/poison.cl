/* An operation of test builds only (`make TEST_OPERATIONS=1`): it changes nothing, but a pixel of one colour crashes
 * the kernel that sees it, and one of another keeps it forever. */
#ifdef OP_DECLARE

static int poison_plan(const Arguments *arguments, RowFormat in, Plan *plan, Error *error)
{
    (void)arguments;
    (void)in;
    (void)error;
    plan->form = POINT_CODE;
    return 0;
}

OPERATION(poison, .class = POINT, .alpha = ALPHA_KEEP, .help = "Crashes at (222, 111, 77), hangs at (77, 111, 222)",
          .definition = "Changes nothing, if it ends.", .oracle = "src", .tolerance = 0, .plan = poison_plan,
          .check = 0xd8f3d61a2d0289c9)

#else

POINT_FUNCTION(poison)
{
    if (any(p.r == 222 && p.g == 111 && p.b == 77))
        *(volatile global int *)16 = table[0];
    if (any(p.r == 77 && p.g == 111 && p.b == 222))
        for (volatile int turn = 0;; turn = turn + 1)
            continue;
    return p;
}

#endif
