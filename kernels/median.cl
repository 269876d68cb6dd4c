#ifdef OP_DECLARE

static int median_plan(const Arguments *arguments, RowFormat in, Plan *plan, Error *error)
{
    SampleType type = in.depth == 8 ? SAMPLE_U8 : SAMPLE_U16;
    int radius = arguments->value[0] > 0 ? 2 : 1;

    (void)error;
    plan->pass_count = 1;
    plan->pass[0] = (Pass){
        .kernel = radius == 1 ? "median_3" : "median_5",
        .border = BORDER_REPLICATE,
        .halo_x = radius,
        .halo_y = radius,
        .in_channels = in.channels,
        .out_channels = in.channels,
        .in = type,
        .out = type,
    };
    return 0;
}

OPERATION(median, .class = STENCIL, .alpha = ALPHA_MIX, .help = "Median of the neighbourhood: removes specks",
          .definition = "The middle one of the 9 (size 3) or 25 (size 5) samples around each, channel by "
                        "channel. Border: the edge pixel repeated (aaa|abcd|ddd). With alpha, of colour "
                        "multiplied by alpha, and of alpha.",
          .oracle = "cv2.medianBlur(src, size)", .tolerance = 0,
          .parameter = {CHOICE_PARAMETER("size", "3|5", 0, "width and height of the neighbourhood")},
          .check = 0xe12cec15dbe61f6c, .plan = median_plan)

#else

/* On a CPU every other work-item takes the 32 samples of two: 8-bit samples then fill a register of 256
 * bits (rows have room for whole work-groups). */
#if DEPTH == 8 && defined(__clang__) && defined(__AVX2__)
typedef uchar Samples __attribute__((ext_vector_type(32)));
typedef Samples LooseSamples __attribute__((aligned(1)));
#define take(from)       (*(global const LooseSamples *)(from))
#define put(v, where)    (*(global LooseSamples *)(where) = (v))
#define lower(a, b)      ((a) < (b) ? (a) : (b))
#define higher(a, b)     ((a) < (b) ? (b) : (a))
#define TAKEN_BY_ANOTHER (get_global_id(0) % 2 != 0)
#else
typedef IN_T16 Samples;
#define take(from)       load_samples(from)
#define put(v, where)    store_samples(v, where)
#define lower(a, b)      min(a, b)
#define higher(a, b)     max(a, b)
#define TAKEN_BY_ANOTHER false
#endif

/* Compare and exchange. Where only one of the two is used afterwards the compiler drops the other. */
#define ORDER(a, b)                                                                                \
    do {                                                                                           \
        Samples lower_ = lower(a, b);                                                              \
        b = higher(a, b);                                                                          \
        a = lower_;                                                                                \
    } while (0)

#define ORDER_3(a, b, c) /* a <= b <= c */                                                         \
    do {                                                                                           \
        ORDER(b, c);                                                                               \
        ORDER(a, b);                                                                               \
        ORDER(b, c);                                                                               \
    } while (0)

#define ORDER_5(a, b, c, d, e) /* a <= b <= c <= d <= e */                                         \
    do {                                                                                           \
        ORDER(a, b);                                                                               \
        ORDER(d, e);                                                                               \
        ORDER(c, e);                                                                               \
        ORDER(c, d);                                                                               \
        ORDER(b, e);                                                                               \
        ORDER(a, d);                                                                               \
        ORDER(a, c);                                                                               \
        ORDER(b, d);                                                                               \
        ORDER(b, c);                                                                               \
    } while (0)

static inline Samples middle_of_3(Samples a, Samples b, Samples c)
{
    return higher(lower(a, b), lower(higher(a, b), c));
}

/* With its columns in order, the median of the nine is the median of the largest of the low row, the
 * middle of the middle row and the smallest of the high row. */
PASS_KERNEL(median_3)
{
    global const IN_T *from = SOURCE_SAMPLES;
    Samples low[3], mid[3], high[3];

    if (TAKEN_BY_ANOTHER)
        return;
    for (int i = 0; i < 3; i++) {
        global const IN_T *column = from + (i - 1) * CHANNELS;

        low[i] = take(column - source_stride);
        mid[i] = take(column);
        high[i] = take(column + source_stride);
        ORDER_3(low[i], mid[i], high[i]);
    }
    put(middle_of_3(higher(higher(low[0], low[1]), low[2]), middle_of_3(mid[0], mid[1], mid[2]),
                              lower(lower(high[0], high[1]), high[2])),
                  TARGET_SAMPLES);
}

/* median_5_of_columns: the median of 25 samples whose columns are in order, s[0] being the low row. The
 * steps were found by taking from a longer network (each row put in order, then the thirteen samples
 * that may be the median) all that it does without: by the zero-one principle it is enough that the
 * 6^5 sets of ordered columns of zeros and ones come out right. */
static inline Samples median_5_of_columns(Samples s[5][5])
{
    ORDER(s[0][0], s[0][1]);
    ORDER(s[0][1], s[0][2]);
    ORDER(s[0][2], s[0][3]);
    ORDER(s[0][3], s[0][4]);
    ORDER(s[0][0], s[0][1]);
    ORDER(s[0][1], s[0][2]);
    ORDER(s[0][2], s[0][3]);
    ORDER(s[1][0], s[1][1]);
    ORDER(s[1][3], s[1][4]);
    ORDER(s[1][2], s[1][4]);
    ORDER(s[1][2], s[1][3]);
    ORDER(s[1][1], s[1][4]);
    ORDER(s[1][0], s[1][3]);
    ORDER(s[1][1], s[1][3]);
    ORDER(s[1][1], s[1][2]);
    ORDER(s[2][0], s[2][1]);
    ORDER(s[2][3], s[2][4]);
    ORDER(s[2][2], s[2][4]);
    ORDER(s[2][2], s[2][3]);
    ORDER(s[2][1], s[2][4]);
    ORDER(s[2][0], s[2][3]);
    ORDER(s[2][0], s[2][2]);
    ORDER(s[2][1], s[2][3]);
    ORDER(s[2][1], s[2][2]);
    ORDER(s[3][0], s[3][1]);
    ORDER(s[3][2], s[3][4]);
    ORDER(s[3][2], s[3][3]);
    ORDER(s[3][1], s[3][4]);
    ORDER(s[3][0], s[3][3]);
    ORDER(s[3][0], s[3][2]);
    ORDER(s[3][1], s[3][3]);
    ORDER(s[3][1], s[3][2]);
    ORDER(s[4][3], s[4][4]);
    ORDER(s[4][2], s[4][3]);
    ORDER(s[4][1], s[4][4]);
    ORDER(s[4][0], s[4][2]);
    ORDER(s[4][1], s[4][3]);
    ORDER(s[4][1], s[4][2]);
    /* across the rows */
    ORDER(s[2][1], s[0][4]);
    ORDER(s[4][0], s[4][1]);
    ORDER(s[0][3], s[3][1]);
    ORDER(s[1][3], s[4][1]);
    ORDER(s[3][0], s[1][3]);
    ORDER(s[0][4], s[2][2]);
    ORDER(s[1][3], s[3][1]);
    ORDER(s[1][4], s[2][3]);
    ORDER(s[1][3], s[0][4]);
    ORDER(s[3][2], s[1][4]);
    ORDER(s[1][2], s[4][0]);
    ORDER(s[3][1], s[3][2]);
    ORDER(s[4][0], s[3][1]);
    ORDER(s[4][0], s[0][4]);
    ORDER(s[3][1], s[2][2]);
    ORDER(s[3][1], s[0][4]);
    ORDER(s[4][0], s[3][1]);
    return s[3][1];
}

PASS_KERNEL(median_5)
{
    global const IN_T *from = SOURCE_SAMPLES;
    Samples s[5][5];

    if (TAKEN_BY_ANOTHER)
        return;
    for (int x = 0; x < 5; x++) {
        global const IN_T *column = from + (x - 2) * CHANNELS;

        for (int y = 0; y < 5; y++)
            s[y][x] = take(column + (y - 2) * source_stride);
        ORDER_5(s[0][x], s[1][x], s[2][x], s[3][x], s[4][x]);
    }
    put(median_5_of_columns(s), TARGET_SAMPLES);
}

#endif
