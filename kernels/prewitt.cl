#ifdef OP_DECLARE

static int prewitt_plan(const Arguments *arguments, RowFormat in, Plan *plan, Error *error)
{
    SampleType type = in.depth == 8 ? SAMPLE_U8 : SAMPLE_U16;

    (void)arguments;
    (void)error;
    plan->out.premultiplied = false;
    plan->pass_count = 1;
    plan->pass[0] = (Pass){
        .kernel = "prewitt",
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

OPERATION(prewitt, .class = STENCIL, .alpha = ALPHA_EDGE, .luma = true,
          .help = "Edges: magnitude of the Prewitt gradient",
          .definition = "sqrt(dx^2 + dy^2) of the luma, rounded to nearest, at most 255 (65535), with dx = "
                        "[-1 0 1; -1 0 1; -1 0 1] and dy its transpose. Border: reflected without the "
                        "edge pixel (dcb|abcd|cba). With alpha, of the luma multiplied by alpha; alpha "
                        "is kept.",
          .oracle = "cv2.magnitude of cv2.filter2D(luma, cv2.CV_32F, matrix) and its transpose",
          .tolerance = 0,
          .check = 0x3333c091b5a7be26, .plan = prewitt_plan)

#else

#if DEPTH == 8
typedef short16 Value; /* sums of 6 samples of 8 bits fit */
#define load_value(from) load_short16(from)
#else
typedef int16 Value;
#define load_value(from) load_pixels(from).r
#endif

/* magnitude of the gradient, which fits 16 bits at depth 8 and 19 at depth 16; capping each part at
 * MAXV changes nothing, for the result is capped there too. */
static inline int16 magnitude(Value dx, Value dy)
{
#if DEPTH == 8
    int16 x = convert_int16(dx), y = convert_int16(dy);

    return root_rounded_small(min(x * x + y * y, (int16)65536));
#else
    uint16 x = min(abs(dx), (uint16)MAXV), y = min(abs(dy), (uint16)MAXV);

    return convert_int16(root_rounded(add_sat(x * x, y * y)));
#endif
}

PASS_KERNEL(prewitt)
{
    global const IN_T *from = SOURCE_PIXELS;
    global const IN_T *above = from - source_stride, *below = from + source_stride;
    Value nw = load_value(above - CHANNELS), n = load_value(above), ne = load_value(above + CHANNELS);
    Value w = load_value(from - CHANNELS), e = load_value(from + CHANNELS);
    Value sw = load_value(below - CHANNELS), s = load_value(below), se = load_value(below + CHANNELS);
    Value falling = se - nw, rising = ne - sw;
    Pixels edge;

    edge.r = edge.g = edge.b = magnitude(falling + rising + e - w, falling - rising + s - n);
#if CHANNELS == 2
    edge.a = load_pixels(from).a;
#endif
    store_pixels(edge, TARGET_PIXELS);
}

#endif
