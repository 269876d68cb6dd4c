#ifdef OP_DECLARE

static int laplacian_plan(const Arguments *arguments, RowFormat in, Plan *plan, Error *error)
{
    (void)error;
    plan_edge(arguments->value[0] > 0 ? "laplacian_3" : "laplacian_1", in, plan);
    return 0;
}

OPERATION(laplacian, .class = STENCIL, .alpha = ALPHA_EDGE, .luma = true,
          .help = "Edges and points: size of the second derivative",
          .definition = "The absolute value of the luma's Laplacian, at most 255 (65535): "
                        "[0 1 0; 1 -4 1; 0 1 0] for size 1, [2 0 2; 0 -8 0; 2 0 2] for size 3. Border: "
                        "reflected without the edge pixel (dcb|abcd|cba). With alpha, of the luma "
                        "multiplied by alpha; alpha is kept.",
          .oracle = "the absolute value of cv2.Laplacian(luma, cv2.CV_32F, ksize=size), clipped",
          .tolerance = 0,
          .parameter = {CHOICE_PARAMETER("size", "1|3", 0, "which of the two matrices")},
          .check = 0x78565370444bed9a, .plan = laplacian_plan)

#else

static inline void store_edge(Edge response, global const IN_T *from, global OUT_T *where)
{
    Edge size = max(response, -response);
#if CHANNELS == 2
    Pixels edge = load_pixels(from);

    edge.r = convert_int16(size);
    store_pixels(edge, where);
#else
    store_samples(to_out(size), where);
#endif
}

PASS_KERNEL(laplacian_1)
{
    global const IN_T *from = SOURCE_PIXELS;
    Edge beside = load_edge(from - CHANNELS) + load_edge(from + CHANNELS);
    Edge over = load_edge(from - source_stride) + load_edge(from + source_stride);

    store_edge(beside + over - load_edge(from) * (Edge)4, from, TARGET_PIXELS);
}

PASS_KERNEL(laplacian_3)
{
    global const IN_T *from = SOURCE_PIXELS;
    global const IN_T *above = from - source_stride, *below = from + source_stride;
    Edge corners = load_edge(above - CHANNELS) + load_edge(above + CHANNELS) +
                    load_edge(below - CHANNELS) + load_edge(below + CHANNELS);

    store_edge((corners - load_edge(from) * (Edge)4) * (Edge)2, from, TARGET_PIXELS);
}

#endif
