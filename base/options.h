/* base/options.h: command lines from tables.
 *
 * A Command states once what a command takes: its options in up to OPTION_GROUPS tables (its own
 * and the ones it shares with others, each ended by an entry without a name) and how many operands.
 * Parsing, checking, `--help` and the messages for wrong usage are made from it; manual pages and
 * completions can be too. The style is GNU's: `--name=value`, `--name value`, `-xVALUE`, `-x
 * VALUE`,
 * `-abc` for flags, options and operands in any order, `--` ends the options, `-` is an operand.
 * `--help`, `-h` and `--version` are understood everywhere and need no entry.
 *
 * Where a value goes is in the entry: a field of the caller's settings struct (OPTION_BOOL,
 * OPTION_INT, OPTION_TEXT), or a configuration key (OPTION_KEY). Keys are only collected, in order:
 * the configuration file, which may itself be named by an option, is loaded between parsing and
 * config_apply_arguments, so that the command line wins.
 *
 *     static const Option options[] = {
 *         OPTION_BOOL("force", 'f', Settings, force, "process images again that have a result"),
 *         OPTION_TEXT("ops", 0, "OPS", Settings, ops, "the operations"),
 *         OPTION_KEY("quality", 'q', "N", "output.quality", "JPEG quality, 1 to 100"),
 *         OPTION_END};
 *     int done = options_parse(&command, argc, argv, &settings, &line, &error);
 *     if (done != 0)
 *         return done > 0 ? 0 : ...;  // 1: help or version was printed
 */
#ifndef BASE_OPTIONS_H
#define BASE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/error.h"

typedef enum OptionType {
    OPTION_TYPE_BOOL, /* bool; takes no value */
    OPTION_TYPE_INT,  /* int within least..most */
    OPTION_TYPE_TEXT, /* const char *, pointing into argv */
    OPTION_TYPE_KEY,  /* collected as {key, value}; without a metavar the value is "true" */
} OptionType;

typedef struct Option {
    const char *name;    /* long name without dashes */
    char letter;         /* short form, or 0 */
    const char *metavar; /* how help calls the value; NULL: takes none */
    const char *help;    /* one or two lines; wrapped when printed */
    OptionType type;
    size_t offset; /* of the field in the settings struct */
    int least;     /* of an OPTION_TYPE_INT */
    int most;
    const char *key; /* of an OPTION_TYPE_KEY */
} Option;

/* clang-format off */
#define OPTION_BOOL(name, letter, Settings, field, help) \
    {name, letter, NULL, help, OPTION_TYPE_BOOL, offsetof(Settings, field), 0, 0, NULL}
#define OPTION_INT(name, letter, metavar, Settings, field, least, most, help) \
    {name, letter, metavar, help, OPTION_TYPE_INT, offsetof(Settings, field), least, most, NULL}
#define OPTION_TEXT(name, letter, metavar, Settings, field, help) \
    {name, letter, metavar, help, OPTION_TYPE_TEXT, offsetof(Settings, field), 0, 0, NULL}
#define OPTION_KEY(name, letter, metavar, key, help) \
    {name, letter, metavar, help, OPTION_TYPE_KEY, 0, 0, 0, key}
#define OPTION_END {NULL, 0, NULL, NULL, OPTION_TYPE_BOOL, 0, 0, 0, NULL}
/* clang-format on */

enum { OPTION_GROUPS = 4, OPTIONS_ANY = -1 };

typedef struct OptionSetting {
    const char *option; /* long name, for messages */
    const char *key;
    const char *value;
} OptionSetting;

/* What a command line held besides the fields of the settings struct. The texts belong to argv and
 * the tables; options_free releases the two arrays. */
typedef struct CommandLine {
    const char **operands;
    int operand_count;
    OptionSetting *settings;
    int setting_count;
} CommandLine;

typedef struct Command {
    const char *name;     /* as typed: "tilecrew-worker", or "tilecrew run" */
    const char *synopsis; /* what follows the name: "--ops OPS IN... OUT" */
    const char *summary;  /* one line, no full stop */
    const char *text;     /* more, in paragraphs that are printed as they are; may be NULL */
    const Option *options[OPTION_GROUPS];
    int least_operands;
    int most_operands; /* or OPTIONS_ANY */
    /* For programs of several commands: does the work; the exit status, or -1 with an Error. */
    int (*run)(void *settings, const CommandLine *line, Error *error);
} Command;

/* options_parse reads argv[1..argc) into `settings` (see Option) and `line`. Returns 0; or 1
 * when help or the version was asked for and has been printed; or -1 with an ERROR_USAGE that names
 * the option and what it should have been. After 0 the caller frees `line` with options_free;
 * after 1 and -1 there is nothing to free. */
int options_parse(const Command *command, int argc, char **argv, void *settings, CommandLine *line,
                  Error *error);
void options_free(CommandLine *line);

/* options_print_help prints what `--help` shows. */
void options_print_help(const Command *command, FILE *file);

/* For a program of several commands ("tilecrew run"): options_find_command returns the command
 * whose last word is `word`, or NULL with an ERROR_USAGE that names the nearest;
 * options_print_commands lists all with their summaries, for the program's own help. `commands` is
 * an array of `count`. */
const Command *options_find_command(const Command *commands, size_t count, const char *word,
                                    Error *error);
void options_print_commands(const Command *commands, size_t count, FILE *file);

#endif
