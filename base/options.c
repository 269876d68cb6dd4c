#include "base/options.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "base/version.h"

enum { HELP_COLUMN = 28, HELP_WIDTH = 80, MOST_OPTIONS = 96 };

static const Option help_option = {
    "help", 'h', NULL, "show this help and leave", OPTION_TYPE_BOOL, 0, 0, 0, NULL};
static const Option version_option = {
    "version", 0, NULL, "show the version and leave", OPTION_TYPE_BOOL, 0, 0, 0, NULL};

/* The state of one pass over argv. */
typedef struct Parse {
    const Command *command;
    const Option *options[MOST_OPTIONS];
    size_t option_count;
    char **argv;
    int argc;
    int next; /* index of the next argument to look at */
    void *settings;
    CommandLine *line;
    bool help;
    bool version;
} Parse;

/* --- finding an option */

static void parse_add_option(Parse *parse, const Option *option)
{
    if (parse->option_count < MOST_OPTIONS)
        parse->options[parse->option_count++] = option;
}

static void parse_collect_options(Parse *parse, const Command *command)
{
    for (int group = 0; group < OPTION_GROUPS && command->options[group] != NULL; group++)
        for (const Option *option = command->options[group]; option->name != NULL; option++)
            parse_add_option(parse, option);
    parse_add_option(parse, &help_option);
    parse_add_option(parse, &version_option);
}

static const Option *parse_find_name(const Parse *parse, const char *name, size_t length)
{
    for (size_t i = 0; i < parse->option_count; i++)
        if (strncmp(parse->options[i]->name, name, length) == 0 &&
            parse->options[i]->name[length] == '\0')
            return parse->options[i];
    return NULL;
}

static const Option *parse_find_letter(const Parse *parse, char letter)
{
    for (size_t i = 0; i < parse->option_count; i++)
        if (parse->options[i]->letter == letter)
            return parse->options[i];
    return NULL;
}

static int parse_unknown(const Parse *parse, const char *name, size_t length, Error *error)
{
    const char *names[MOST_OPTIONS];
    char wanted[64];
    const char *nearest;

    for (size_t i = 0; i < parse->option_count; i++)
        names[i] = parse->options[i]->name;
    snprintf(wanted, sizeof wanted, "%.*s", (int)(length < 63 ? length : 63), name);
    nearest = text_nearest(wanted, names, parse->option_count);
    if (nearest != NULL)
        return error_set(error, ERROR_USAGE, "unknown option '--%s'; did you mean '--%s'?", wanted,
                         nearest);
    return error_set(error, ERROR_USAGE, "unknown option '--%s'; see '%s --help'", wanted,
                     parse->command->name);
}

/* --- storing what was found */

static int parse_store_int(const Option *option, int *target, const char *value, Error *error)
{
    char *end;
    long number;

    errno = 0;
    number = strtol(value, &end, 10);
    if (end == value || *end != '\0' || errno != 0 || number < option->least ||
        number > option->most)
        return error_set(error, ERROR_USAGE,
                         "option '--%s' takes a whole number from %d to %d, not '%s'", option->name,
                         option->least, option->most, value);
    *target = (int)number;
    return 0;
}

static void parse_store_key(Parse *parse, const Option *option, const char *value)
{
    CommandLine *line = parse->line;
    size_t size = ((size_t)line->setting_count + 1) * sizeof *line->settings;

    line->settings = memory_resize(line->settings, size);
    line->settings[line->setting_count++] = (OptionSetting){option->name, option->key, value};
}

static int parse_store(Parse *parse, const Option *option, const char *value, Error *error)
{
    void *target = (char *)parse->settings + option->offset;

    if (option == &help_option) {
        parse->help = true;
        return 0;
    }
    if (option == &version_option) {
        parse->version = true;
        return 0;
    }
    switch (option->type) {
    case OPTION_TYPE_BOOL:
        *(bool *)target = true;
        return 0;
    case OPTION_TYPE_INT:
        return parse_store_int(option, target, value, error);
    case OPTION_TYPE_TEXT:
        *(const char **)target = value;
        return 0;
    case OPTION_TYPE_KEY:
        parse_store_key(parse, option, value);
        return 0;
    }
    return 0;
}

static void parse_store_operand(Parse *parse, const char *operand)
{
    CommandLine *line = parse->line;
    size_t size = ((size_t)line->operand_count + 1) * sizeof *line->operands;

    line->operands = memory_resize(line->operands, size);
    line->operands[line->operand_count++] = operand;
}

/* --- reading the words */

/* parse_take_value returns the argument after an option that needs a value and came without. */
static const char *parse_take_value(Parse *parse, const Option *option, Error *error)
{
    if (parse->next < parse->argc)
        return parse->argv[parse->next++];
    error_set(error, ERROR_USAGE, "option '--%s' needs a value: --%s=%s", option->name,
              option->name, option->metavar);
    return NULL;
}

static int parse_long(Parse *parse, const char *word, Error *error)
{
    size_t length = strcspn(word, "=");
    const char *value = word[length] == '=' ? word + length + 1 : NULL;
    const Option *option = parse_find_name(parse, word, length);

    if (option == NULL)
        return parse_unknown(parse, word, length, error);
    if (option->metavar == NULL && value != NULL)
        return error_set(error, ERROR_USAGE, "option '--%s' takes no value", option->name);
    if (value == NULL)
        value = option->metavar == NULL ? "true" : parse_take_value(parse, option, error);
    return value == NULL ? -1 : parse_store(parse, option, value, error);
}

static int parse_letters(Parse *parse, const char *letters, Error *error)
{
    for (; *letters != '\0'; letters++) {
        const Option *option = parse_find_letter(parse, *letters);
        const char *value = "true";

        if (option == NULL)
            return error_set(error, ERROR_USAGE, "unknown option '-%c'; see '%s --help'", *letters,
                             parse->command->name);
        if (option->metavar != NULL)
            value = letters[1] != '\0' ? letters + 1 : parse_take_value(parse, option, error);
        if (value == NULL || parse_store(parse, option, value, error) != 0)
            return -1;
        if (option->metavar != NULL)
            return 0;
    }
    return 0;
}

static int parse_words(Parse *parse, Error *error)
{
    bool ended = false; /* by "--" */

    while (parse->next < parse->argc) {
        const char *word = parse->argv[parse->next++];
        int result = 0;

        if (ended || word[0] != '-' || word[1] == '\0')
            parse_store_operand(parse, word);
        else if (strcmp(word, "--") == 0)
            ended = true;
        else if (word[1] == '-')
            result = parse_long(parse, word + 2, error);
        else
            result = parse_letters(parse, word + 1, error);
        if (result != 0)
            return -1;
        if (parse->help || parse->version)
            return 0;
    }
    return 0;
}

static int parse_check_operands(const Parse *parse, Error *error)
{
    const Command *command = parse->command;
    const CommandLine *line = parse->line;

    if (line->operand_count < command->least_operands)
        return error_set(error, ERROR_USAGE, "something is missing; usage: %s %s", command->name,
                         command->synopsis);
    if (command->most_operands != OPTIONS_ANY && line->operand_count > command->most_operands)
        return error_set(error, ERROR_USAGE, "unexpected '%s'; usage: %s %s",
                         line->operands[command->most_operands], command->name, command->synopsis);
    return 0;
}

int options_parse(const Command *command, int argc, char **argv, void *settings, CommandLine *line,
                  Error *error)
{
    Parse parse = {.command = command,
                   .argv = argv,
                   .argc = argc,
                   .next = 1,
                   .settings = settings,
                   .line = line};
    int result;

    *line = (CommandLine){0};
    parse_collect_options(&parse, command);
    result = parse_words(&parse, error);
    if (result == 0 && parse.help)
        options_print_help(command, stdout);
    else if (result == 0 && parse.version)
        printf("tilecrew %s\n", TILECREW_VERSION);
    else if (result == 0)
        result = parse_check_operands(&parse, error);
    if (result == 0 && (parse.help || parse.version))
        result = 1;
    if (result != 0)
        options_free(line);
    return result;
}

void options_free(CommandLine *line)
{
    free(line->operands);
    free(line->settings);
    *line = (CommandLine){0};
}

/* --- help */

/* print_wrapped prints `text` from `column` on, broken at spaces and indented to HELP_COLUMN. */
static void print_wrapped(const char *text, int column, FILE *file)
{
    if (column >= HELP_COLUMN) {
        fputc('\n', file);
        column = 0;
    }
    fprintf(file, "%*s", HELP_COLUMN - column, "");
    column = HELP_COLUMN;
    for (text += strspn(text, " "); *text != '\0'; text += strspn(text, " ")) {
        int length = (int)strcspn(text, " ");
        if (column > HELP_COLUMN && column + 1 + length > HELP_WIDTH)
            column = fprintf(file, "\n%*s", HELP_COLUMN, "") - 1;
        else if (column > HELP_COLUMN)
            column += fprintf(file, " ");
        column += fprintf(file, "%.*s", length, text);
        text += length;
    }
    fputc('\n', file);
}

static void print_option(const Option *option, FILE *file)
{
    int column =
        option->letter != 0 ? fprintf(file, "  -%c, ", option->letter) : fprintf(file, "      ");

    column += fprintf(file, "--%s", option->name);
    if (option->metavar != NULL)
        column += fprintf(file, "=%s", option->metavar);
    print_wrapped(option->help, column + 1 >= HELP_COLUMN ? HELP_COLUMN : column, file);
}

void options_print_help(const Command *command, FILE *file)
{
    Parse parse = {0};

    parse_collect_options(&parse, command);
    fprintf(file, "Usage: %s %s\n%c%s.\n", command->name, command->synopsis,
            toupper((unsigned char)command->summary[0]), command->summary + 1);
    if (command->text != NULL)
        fprintf(file, "\n%s\n", command->text);
    fprintf(file, "\nOptions:\n");
    for (size_t i = 0; i < parse.option_count; i++)
        print_option(parse.options[i], file);
}

/* --- programs of several commands */

static const char *command_word(const Command *command)
{
    const char *space = strrchr(command->name, ' ');

    return space == NULL ? command->name : space + 1;
}

const Command *options_find_command(const Command *commands, size_t count, const char *word,
                                    Error *error)
{
    const char *words[MOST_OPTIONS];
    const char *nearest;
    size_t known = count < MOST_OPTIONS ? count : MOST_OPTIONS;

    for (size_t i = 0; i < known; i++) {
        words[i] = command_word(&commands[i]);
        if (strcmp(words[i], word) == 0)
            return &commands[i];
    }
    nearest = text_nearest(word, words, known);
    if (nearest != NULL)
        error_set(error, ERROR_USAGE, "unknown command '%s'; did you mean '%s'?", word, nearest);
    else
        error_set(error, ERROR_USAGE, "unknown command '%s'; see 'tilecrew --help'", word);
    return NULL;
}

void options_print_commands(const Command *commands, size_t count, FILE *file)
{
    for (size_t i = 0; i < count; i++)
        fprintf(file, "  %-10s %s\n", command_word(&commands[i]), commands[i].summary);
}
