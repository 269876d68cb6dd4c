#ifdef OP_DECLARE

static int laplacian_plan(const Arguments *arguments, RowFormat in, Plan *plan, Error *error)
{
    SampleType type = in.depth == 8 ? SAMPLE_U8 : SAMPLE_U16;

    (void)error;
    plan->out.premultiplied = false;
    plan->pass_count = 1;
    plan->pass[0] = (Pass){
        .kernel = arguments->value[0] > 0 ? "laplacian_3" : "laplacian_1",
        .unit = UNIT_PIXELS,
        .border = BORDER_REFLECT_101,
        .halo_x = 1,
        .halo_y = 1,
        .in_channels = in.channels,
        .out_channels = in.channels,
        .in = type,
        .out = type,
    };
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

#if DEPTH == 8
typedef short16 Value; /* the sum of 16 samples of 8 bits fits */
#define load_value(from) load_short16(from)
#else
typedef int16 Value;
#define load_value(from) load_pixels(from).r
#endif

static inline void store_edge(Value response, global const IN_T *from, global OUT_T *where)
{
    Value size = max(response, -response);
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
    Value beside = load_value(from - CHANNELS) + load_value(from + CHANNELS);
    Value over = load_value(from - source_stride) + load_value(from + source_stride);

    store_edge(beside + over - load_value(from) * (Value)4, from, TARGET_PIXELS);
}

PASS_KERNEL(laplacian_3)
{
    global const IN_T *from = SOURCE_PIXELS;
    global const IN_T *above = from - source_stride, *below = from + source_stride;
    Value corners = load_value(above - CHANNELS) + load_value(above + CHANNELS) +
                    load_value(below - CHANNELS) + load_value(below + CHANNELS);

    store_edge((corners - load_value(from) * (Value)4) * (Value)2, from, TARGET_PIXELS);
}

#endif
