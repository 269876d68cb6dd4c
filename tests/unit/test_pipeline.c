#include "compute/pipeline.h"
#include "tests/unit/unit.h"

#include "base/memory.h"

/* --- helpers */

static void assert_normal_form(const char *text, const char *normal)
{
    Error error = {0};
    Pipeline *pipeline = pipeline_parse(text, &error);

    if (pipeline == NULL)
        fail_msg("'%s': %s", text, error.message);
    assert_string_equal(pipeline_text(pipeline), normal);
    pipeline_free(pipeline);
}

static void assert_refused(const char *text, const char *part)
{
    Error error = {0};
    Pipeline *pipeline = pipeline_parse(text, &error);

    if (pipeline != NULL)
        fail_msg("'%s' was taken", text);
    assert_int_equal(error.kind, ERROR_USAGE);
    if (strstr(error.message, part) == NULL)
        fail_msg("'%s': '%s' is not in '%s'", text, part, error.message);
}

static Pipeline *parse(const char *text)
{
    Error error = {0};
    Pipeline *pipeline = pipeline_parse(text, &error);

    if (pipeline == NULL)
        fail_msg("'%s': %s", text, error.message);
    return pipeline;
}

static RowFormat output_of(const char *text, int channels, int depth)
{
    Pipeline *pipeline = parse(text);
    RowFormat out = {0};
    Error error = {0};

    assert_int_equal(pipeline_output(pipeline, (RowFormat){channels, depth, false}, &out, &error),
                     0);
    pipeline_free(pipeline);
    return out;
}

/* --- what is understood */

static void the_normal_form_writes_defaults_out(void **state)
{
    (void)state;
    assert_normal_form("gaussian", "gaussian:sigma=1.5");
    assert_normal_form("sepia", "sepia:amount=1");
    assert_normal_form("invert", "invert");
}

static void numbers_are_written_in_their_shortest_form(void **state)
{
    (void)state;
    assert_normal_form("gaussian:sigma=1.400", "gaussian:sigma=1.4");
    assert_normal_form("gaussian:sigma=+2e0", "gaussian:sigma=2");
    assert_normal_form("gaussian:sigma=0.3333333333333333", "gaussian:sigma=0.3333333333333333");
    assert_normal_form("sepia:amount=-0", "sepia:amount=0");
}

static void blanks_around_separators_mean_nothing(void **state)
{
    (void)state;
    assert_normal_form(" gaussian : sigma = 2 , sobel\t,\ninvert ",
                       "gaussian:sigma=2,sobel,invert");
}

static void the_name_of_a_single_parameter_may_be_left_out(void **state)
{
    (void)state;
    assert_normal_form("gaussian:2", "gaussian:sigma=2");
}

static void an_empty_pipeline_copies(void **state)
{
    RowFormat out = output_of("", 4, 16);

    (void)state;
    assert_normal_form("", "");
    assert_normal_form(" \t", "");
    assert_int_equal(out.channels, 4);
    assert_int_equal(out.depth, 16);
}

static void a_normal_form_is_its_own_normal_form(void **state)
{
    size_t count;
    const Operation *const *list = operation_list(&count);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        Pipeline *pipeline = parse(list[i]->name);

        assert_normal_form(pipeline_text(pipeline), pipeline_text(pipeline));
        pipeline_free(pipeline);
    }
}

static void a_chain_may_have_any_length(void **state)
{
    char text[3000 * 7] = "invert";
    Pipeline *pipeline;

    (void)state;
    for (int i = 1; i < 3000; i++)
        memcpy(text + (size_t)i * 7 - 1, ",invert", 8);
    pipeline = parse(text);
    assert_int_equal(pipeline_length(pipeline), 3000);
    pipeline_free(pipeline);
}

/* --- what is refused */

static void a_refusal_names_the_nearest_operation(void **state)
{
    (void)state;
    assert_refused("gausian", "did you mean 'gaussian'?");
    assert_refused("sobel,inverse", "did you mean 'invert'?");
    assert_refused("zzzzzzzzzz", "`tilecrew ops` lists them");
}

static void a_refusal_names_the_nearest_parameter(void **state)
{
    (void)state;
    assert_refused("gaussian:sigm=2", "did you mean 'sigma'?");
    assert_refused("gaussian:zzzzzzzz=2", "it takes sigma");
    assert_refused("invert:1", "takes no parameters");
}

static void a_refusal_names_the_range(void **state)
{
    (void)state;
    assert_refused("gaussian:sigma=51", "sigma=51 is not a number from 0.3 to 50");
    assert_refused("gaussian:sigma=0", "from 0.3 to 50");
    assert_refused("gaussian:sigma=", "from 0.3 to 50");
    assert_refused("gaussian:sigma=nan", "from 0.3 to 50");
    assert_refused("gaussian:sigma=inf", "from 0.3 to 50");
    assert_refused("gaussian:sigma=0x2", "from 0.3 to 50");
    assert_refused("gaussian:sigma=1e999", "from 0.3 to 50");
    assert_refused("gaussian:sigma=2px", "from 0.3 to 50");
}

static void missing_parts_are_refused(void **state)
{
    (void)state;
    assert_refused(",", "name is missing");
    assert_refused("invert,", "name is missing");
    assert_refused("invert,,invert", "name is missing");
    assert_refused(":sigma=2", "name is missing");
    assert_refused("gaussian:", "parameter is missing");
    assert_refused("gaussian:sigma=1:sigma=2", "given twice");
}

static void an_endless_pipeline_is_refused(void **state)
{
    char *text = memory_need(70000);

    (void)state;
    memset(text, 'x', 69999);
    assert_refused(text, "longer than");
    free(text);
}

/* Random text of the grammar's own characters is taken or refused, and what is taken is stable. */
static void garbage_never_harms(void **state)
{
    static const char *const piece[] = {"gaussian", "sobel", "invert", "sigma", "=",  ":",
                                        ",",        "1",     ".",      "-",     "e9", " ",
                                        "\t",       "/",     "%",      "\xff"};
    unsigned random = 1;

    (void)state;
    for (int round = 0; round < 20000; round++) {
        char text[128] = "";
        Error error = {0};
        Pipeline *pipeline;

        for (int i = 0; i < 1 + round % 12; i++) {
            random = random * 1664525U + 1013904223U;
            strcat(text, piece[random >> 28]);
        }
        pipeline = pipeline_parse(text, &error);
        if (pipeline != NULL)
            assert_normal_form(pipeline_text(pipeline), pipeline_text(pipeline));
        else
            assert_int_equal(error.kind, ERROR_USAGE);
        pipeline_free(pipeline);
    }
}

/* --- what it says of itself */

static void a_chain_that_ends_in_grey_gives_grey(void **state)
{
    (void)state;
    assert_int_equal(output_of("sobel", 3, 8).channels, 1);
    assert_int_equal(output_of("gaussian,sobel,invert", 4, 8).channels, 2);
    assert_int_equal(output_of("sobel", 4, 8).depth, 8);
    assert_int_equal(output_of("sobel", 2, 16).depth, 16);
    assert_int_equal(output_of("gaussian", 4, 8).depth, 8);
    assert_false(output_of("gaussian", 4, 8).premultiplied);
    assert_int_equal(output_of("sepia", 1, 8).channels, 3);
}

static void luma_is_wanted_where_the_chain_begins_with_it(void **state)
{
    static const struct {
        const char *text;
        bool luma;
    } expected[] = {{"", false},
                    {"sobel", true},
                    {"grayscale,invert", true},
                    {"invert,sobel", false},
                    {"gaussian", false}};

    (void)state;
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        Pipeline *pipeline = parse(expected[i].text);

        assert_int_equal(pipeline_wants_luma(pipeline), expected[i].luma);
        pipeline_free(pipeline);
    }
}

static void the_halo_is_the_sum_of_the_chain(void **state)
{
    Pipeline *none = parse("invert"), *one = parse("sobel"), *two = parse("sobel,sobel");

    (void)state;
    assert_int_equal(pipeline_halo(none), 0);
    assert_int_equal(pipeline_halo(one), 1);
    assert_int_equal(pipeline_halo(two), 2);
    assert_true(pipeline_may_cut(two));
    pipeline_free(none);
    pipeline_free(one);
    pipeline_free(two);
}

static void every_operation_describes_itself(void **state)
{
    size_t count;
    const Operation *const *list = operation_list(&count);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        assert_non_null(list[i]->help);
        assert_non_null(list[i]->definition);
        assert_non_null(list[i]->oracle);
        assert_true(list[i]->tolerance <= 1);
        assert_ptr_equal(operation_find(list[i]->name), list[i]);
        assert_true(i == 0 || strcmp(list[i - 1]->name, list[i]->name) < 0);
        if (list[i]->check == 0)
            fail_msg("operation '%s' has no known answer", list[i]->name);
    }
    assert_null(operation_find("gaussia"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_normal_form_writes_defaults_out),
        cmocka_unit_test(numbers_are_written_in_their_shortest_form),
        cmocka_unit_test(blanks_around_separators_mean_nothing),
        cmocka_unit_test(the_name_of_a_single_parameter_may_be_left_out),
        cmocka_unit_test(an_empty_pipeline_copies),
        cmocka_unit_test(a_normal_form_is_its_own_normal_form),
        cmocka_unit_test(a_chain_may_have_any_length),
        cmocka_unit_test(a_refusal_names_the_nearest_operation),
        cmocka_unit_test(a_refusal_names_the_nearest_parameter),
        cmocka_unit_test(a_refusal_names_the_range),
        cmocka_unit_test(missing_parts_are_refused),
        cmocka_unit_test(an_endless_pipeline_is_refused),
        cmocka_unit_test(garbage_never_harms),
        cmocka_unit_test(a_chain_that_ends_in_grey_gives_grey),
        cmocka_unit_test(luma_is_wanted_where_the_chain_begins_with_it),
        cmocka_unit_test(the_halo_is_the_sum_of_the_chain),
        cmocka_unit_test(every_operation_describes_itself),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
