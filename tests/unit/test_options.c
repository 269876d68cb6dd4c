#include "base/options.h"
#include "tests/unit/unit.h"

typedef struct Settings {
    bool force;
    bool json;
    int lanes;
    const char *ops;
} Settings;

static const Option own_options[] = {
    OPTION_BOOL("force", 'f', Settings, force, "do it again"),
    OPTION_INT("lanes", 'l', "N", Settings, lanes, 1, 64, "lanes"),
    OPTION_TEXT(
        "ops", 'o', "OPS", Settings, ops,
        "the operations, with a help so long that it has to be broken over several lines of "
        "the terminal"),
    OPTION_END,
};
static const Option shared_options[] = {
    OPTION_BOOL("json", 'j', Settings, json, "print JSON"),
    OPTION_KEY("quality", 'q', "N", "output.quality", "JPEG quality"),
    OPTION_KEY("strip", 0, NULL, "output.strip", "drop metadata"),
    OPTION_END,
};
static const Command command = {
    "tilecrew run",
    "--ops OPS IN... OUT",
    "process folders",
    NULL,
    {own_options, shared_options},
    1,
    3,
    NULL,
};

typedef struct Run {
    Settings settings;
    CommandLine line;
    Error error;
    int result;
} Run;

enum { MOST_WORDS = 16 };

/* Parses "words split at spaces"; `buffer` keeps them alive. */
static Run parse(const char *words, char *buffer, size_t size)
{
    char *argv[MOST_WORDS + 1] = {(char[]){"tilecrew"}};
    int argc = 1;
    Run run = {0};

    snprintf(buffer, size, "%s", words);
    for (char *word = strtok(buffer, " "); word != NULL && argc < MOST_WORDS;
         word = strtok(NULL, " "))
        argv[argc++] = word;
    run.result = options_parse(&command, argc, argv, &run.settings, &run.line, &run.error);
    return run;
}

static void options_and_operands_come_in_any_order_and_form(void **state)
{
    static const char *const forms[] = {
        "a --force --lanes=8 b --ops sobel -j",
        "-f -l 8 -o sobel -j a b",
        "-fjl8 a -osobel b",
        "--ops=sobel a --lanes 8 -fj -- b",
        "--lanes=2 --ops=x --lanes=8 --ops=sobel -jf a b",
    };
    char buffer[256];

    (void)state;
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        Run run = parse(forms[i], buffer, sizeof buffer);
        assert_int_equal(run.result, 0);
        assert_true(run.settings.force && run.settings.json);
        assert_int_equal(run.settings.lanes, 8);
        assert_string_equal(run.settings.ops, "sobel");
        assert_int_equal(run.line.operand_count, 2);
        assert_string_equal(run.line.operands[0], "a");
        assert_string_equal(run.line.operands[1], "b");
        options_free(&run.line);
    }
}

static void keys_are_collected_in_order(void **state)
{
    char buffer[256];
    Run run = parse("a -q5 --strip --quality=7", buffer, sizeof buffer);

    (void)state;
    assert_int_equal(run.result, 0);
    assert_int_equal(run.line.setting_count, 3);
    assert_string_equal(run.line.settings[0].key, "output.quality");
    assert_string_equal(run.line.settings[0].value, "5");
    assert_string_equal(run.line.settings[1].key, "output.strip");
    assert_string_equal(run.line.settings[1].value, "true");
    assert_string_equal(run.line.settings[2].option, "quality");
    assert_string_equal(run.line.settings[2].value, "7");
    options_free(&run.line);
}

static void a_dash_alone_and_what_follows_two_are_operands(void **state)
{
    char buffer[256];
    Run run = parse("- -- --force -l", buffer, sizeof buffer);

    (void)state;
    assert_int_equal(run.result, 0);
    assert_false(run.settings.force);
    assert_int_equal(run.line.operand_count, 3);
    assert_string_equal(run.line.operands[0], "-");
    assert_string_equal(run.line.operands[1], "--force");
    options_free(&run.line);
}

static void wrong_usage_says_what_would_be_right(void **state)
{
    static const struct {
        const char *words;
        const char *message;
    } cases[] = {
        {"--qualty=3 a", "unknown option '--qualty'; did you mean '--quality'?"},
        {"--hepl", "unknown option '--hepl'; did you mean '--help'?"},
        {"--zzzzzzzz a", "unknown option '--zzzzzzzz'; see 'tilecrew run --help'"},
        {"-fz a", "unknown option '-z'; see 'tilecrew run --help'"},
        {"--lanes=0 a", "option '--lanes' takes a whole number from 1 to 64, not '0'"},
        {"--lanes=65 a", "option '--lanes' takes a whole number from 1 to 64, not '65'"},
        {"--lanes=8x a", "option '--lanes' takes a whole number from 1 to 64, not '8x'"},
        {"--lanes= a", "option '--lanes' takes a whole number from 1 to 64, not ''"},
        {"-l99999999999999999999 a", "takes a whole number"},
        {"a --lanes", "option '--lanes' needs a value: --lanes=N"},
        {"a -o", "option '--ops' needs a value: --ops=OPS"},
        {"--force=yes a", "option '--force' takes no value"},
        {"", "something is missing; usage: tilecrew run --ops OPS IN... OUT"},
        {"a b c d", "unexpected 'd'; usage: tilecrew run --ops OPS IN... OUT"},
        {"--=x a", "unknown option '--'"},
    };
    char buffer[256];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        Run run = parse(cases[i].words, buffer, sizeof buffer);
        assert_int_equal(run.result, -1);
        assert_int_equal(run.error.kind, ERROR_USAGE);
        assert_contains(run.error.message, cases[i].message);
        assert_null(run.line.operands);
    }
}

static void help_shows_every_option_within_80_columns(void **state)
{
    char *help = NULL;
    size_t length = 0;
    FILE *file = open_memstream(&help, &length);

    (void)state;
    options_print_help(&command, file);
    fclose(file);
    assert_contains(help, "Usage: tilecrew run --ops OPS IN... OUT\nProcess folders.\n");
    assert_contains(help, "  -f, --force               do it again\n");
    assert_contains(help, "      --strip               drop metadata\n");
    assert_contains(help, "  -h, --help ");
    for (char *line = strtok(help, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        assert_in_range(strlen(line), 1, 80);
        assert_int_not_equal(line[strlen(line) - 1], ' ');
    }
    free(help);
}

static void a_command_is_found_or_its_neighbour_named(void **state)
{
    static const Command commands[] = {
        {.name = "tilecrew run", .summary = "run"},
        {.name = "tilecrew status", .summary = "show"},
    };
    Error error = {0};

    (void)state;
    assert_ptr_equal(options_find_command(commands, 2, "status", &error), &commands[1]);
    assert_null(options_find_command(commands, 2, "stauts", &error));
    assert_string_equal(error.message, "unknown command 'stauts'; did you mean 'status'?");
    assert_null(options_find_command(commands, 2, "photographs", &error));
    assert_string_equal(error.message, "unknown command 'photographs'; see 'tilecrew --help'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_and_operands_come_in_any_order_and_form),
        cmocka_unit_test(keys_are_collected_in_order),
        cmocka_unit_test(a_dash_alone_and_what_follows_two_are_operands),
        cmocka_unit_test(wrong_usage_says_what_would_be_right),
        cmocka_unit_test(help_shows_every_option_within_80_columns),
        cmocka_unit_test(a_command_is_found_or_its_neighbour_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
