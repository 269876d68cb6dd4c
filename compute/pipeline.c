/* The parser works on a copy of the text that it cuts at the separators in place. */
#include "compute/pipeline.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "compute/chain.h"

enum { PIPELINE_TEXT = 65536 };

typedef struct Link {
    const Operation *operation;
    Arguments arguments;
    double *list; /* what arguments.list points to */
    bool given[OPERATION_PARAMETERS];
} Link;

struct Pipeline {
    Link *link;
    int length;
    Text text;
};

/* cut_blanks returns `text` without the blanks at both ends. */
static char *cut_blanks(char *text)
{
    size_t length;

    while (isspace((unsigned char)*text))
        text++;
    length = strlen(text);
    while (length > 0 && isspace((unsigned char)text[length - 1]))
        text[--length] = '\0';
    return text;
}

/* cut_field ends `*rest` at the next separator and moves it behind; NULL when nothing is left. */
static char *cut_field(char **rest, char separator)
{
    char *field = *rest, *end;

    if (field == NULL)
        return NULL;
    end = strchr(field, separator);
    if (end != NULL)
        *end++ = '\0';
    *rest = end;
    return cut_blanks(field);
}

static int parameter_count(const Operation *operation)
{
    int count = 0;

    while (operation->parameter[count].name != NULL)
        count++;
    return count;
}

/* --- values --- */

static int refuse_value(const Operation *operation, const Parameter *parameter, const char *value,
                        Error *error)
{
    if (parameter->type == PARAMETER_CHOICE)
        return error_set(error, ERROR_USAGE, "operation '%s': %s=%s is not one of %s",
                         operation->name, parameter->name, value, parameter->choices);
    return error_set(error, ERROR_USAGE, "operation '%s': %s=%s is not %s from %g to %g",
                     operation->name, parameter->name, value,
                     parameter->type == PARAMETER_INT    ? "a whole number"
                     : parameter->type == PARAMETER_LIST ? "a list of numbers ('/' between them)"
                                                         : "a number",
                     parameter->minimum, parameter->maximum);
}

/* read_number reads one decimal number in the parameter's range, all of `text`. */
static bool read_number(const Parameter *parameter, const char *text, double *number)
{
    char *end;

    if (*text == '\0' || text[strspn(text, "0123456789+-.eE")] != '\0')
        return false;
    *number = strtod(text, &end);
    if (*end != '\0' || !isfinite(*number))
        return false;
    if (*number == 0)
        *number = 0; /* no minus before it */
    if (parameter->type == PARAMETER_INT && *number != floor(*number))
        return false;
    return *number >= parameter->minimum && *number <= parameter->maximum;
}

static bool read_choice(const Parameter *parameter, const char *text, double *number)
{
    const char *choice = parameter->choices;
    size_t length = strlen(text);

    for (int index = 0; choice != NULL; index++) {
        if (strncmp(choice, text, length) == 0 &&
            (choice[length] == '|' || choice[length] == '\0')) {
            *number = index;
            return length > 0;
        }
        choice = strchr(choice, '|');
        if (choice != NULL)
            choice++;
    }
    return false;
}

static bool read_list(Link *link, const Parameter *parameter, const char *text)
{
    char *copy = memory_copy_text(text), *rest = copy, *field;
    int count = 0;
    bool good = true;

    free(link->list);
    link->list = memory_need(OPERATION_LIST * sizeof *link->list);
    for (char *at = copy; *at != '\0'; at++) {
        if (isspace((unsigned char)*at))
            *at = '/';
    }
    while (good && (field = cut_field(&rest, '/')) != NULL) {
        if (*field == '\0')
            continue; /* several separators in a row */
        good = count < OPERATION_LIST && read_number(parameter, field, &link->list[count]);
        count++;
    }
    free(copy);
    link->arguments.list = link->list;
    link->arguments.list_count = count;
    return good && count > 0;
}

static int set_value(Link *link, int index, const char *value, Error *error)
{
    const Operation *operation = link->operation;
    const Parameter *parameter = &operation->parameter[index];
    double *number = &link->arguments.value[index];
    bool good;

    if (link->given[index])
        return error_set(error, ERROR_USAGE, "operation '%s': %s is given twice", operation->name,
                         parameter->name);
    link->given[index] = true;
    if (parameter->type == PARAMETER_CHOICE)
        good = read_choice(parameter, value, number);
    else if (parameter->type == PARAMETER_LIST)
        good = read_list(link, parameter, value);
    else
        good = read_number(parameter, value, number);
    return good ? 0 : refuse_value(operation, parameter, value, error);
}

/* --- names --- */

static int refuse_operation(const char *name, Error *error)
{
    size_t count;
    const Operation *const *list = operation_list(&count);
    const char **names = memory_need((count + 1) * sizeof *names);
    const char *nearest;

    for (size_t i = 0; i < count; i++)
        names[i] = list[i]->name;
    nearest = text_nearest(name, names, count);
    free(names);
    if (nearest != NULL)
        return error_set(error, ERROR_USAGE, "no operation '%.64s'; did you mean '%s'?", name,
                         nearest);
    return error_set(error, ERROR_USAGE, "no operation '%.64s'; `tilecrew ops` lists them", name);
}

static int refuse_parameter(const Operation *operation, const char *name, Error *error)
{
    const char *names[OPERATION_PARAMETERS + 1];
    const char *nearest;
    Text known = {0};
    int count = parameter_count(operation);

    if (count == 0)
        return error_set(error, ERROR_USAGE, "operation '%s' takes no parameters, not '%.64s'",
                         operation->name, name);
    for (int i = 0; i < count; i++) {
        names[i] = operation->parameter[i].name;
        text_add_format(&known, "%s%s", i == 0 ? "" : ", ", names[i]);
    }
    nearest = text_nearest(name, names, (size_t)count);
    if (nearest != NULL)
        error_set(error, ERROR_USAGE, "operation '%s' has no parameter '%.64s'; did you mean '%s'?",
                  operation->name, name, nearest);
    else
        error_set(error, ERROR_USAGE, "operation '%s' has no parameter '%.64s'; it takes %s",
                  operation->name, name, known.data);
    text_free(&known);
    return -1;
}

/* --- the chain --- */

static int parse_parameter(Link *link, char *field, Error *error)
{
    const Operation *operation = link->operation;
    char *value = strchr(field, '=');
    char *name;

    if (*field == '\0')
        return error_set(error, ERROR_USAGE, "operation '%s': a parameter is missing at a colon",
                         operation->name);
    if (value == NULL) {
        if (parameter_count(operation) == 1)
            return set_value(link, 0, field, error);
        if (parameter_count(operation) == 0)
            return refuse_parameter(operation, field, error);
        return error_set(
            error, ERROR_USAGE,
            "operation '%s': '%.64s' needs the parameter's name before it, as in %s=%.64s",
            operation->name, field, operation->parameter[0].name, field);
    }
    *value = '\0';
    name = cut_blanks(field);
    for (int i = 0; i < parameter_count(operation); i++) {
        if (strcmp(operation->parameter[i].name, name) == 0)
            return set_value(link, i, cut_blanks(value + 1), error);
    }
    return refuse_parameter(operation, name, error);
}

static int fill_defaults(Link *link, Error *error)
{
    for (int i = 0; i < parameter_count(link->operation); i++) {
        const Parameter *parameter = &link->operation->parameter[i];

        if (link->given[i])
            continue;
        if (parameter->type != PARAMETER_LIST)
            link->arguments.value[i] = parameter->standard;
        else if (set_value(link, i, parameter->standard_text, error) != 0)
            return -1;
    }
    return 0;
}

static int parse_operation(Link *link, char *text, Error *error)
{
    char *rest = text;
    const char *name = cut_field(&rest, ':');
    char *field;

    if (*name == '\0')
        return error_set(error, ERROR_USAGE, "an operation's name is missing in the pipeline");
    link->operation = operation_find(name);
    if (link->operation == NULL)
        return refuse_operation(name, error);
    while ((field = cut_field(&rest, ':')) != NULL) {
        if (parse_parameter(link, field, error) != 0)
            return -1;
    }
    return fill_defaults(link, error);
}

/* add_number writes the shortest decimal that reads back as the same number; 50 and not 5e+01. */
static void add_number(Text *text, double number)
{
    char digits[32];
    int precision = 1;

    do
        snprintf(digits, sizeof digits, "%.*g", precision, number);
    while ((strtod(digits, NULL) != number || strstr(digits, "e+") != NULL) && precision++ < 17);
    text_add_string(text, digits);
}

static void add_choice(Text *text, const char *choices, int index)
{
    while (index-- > 0)
        choices = strchr(choices, '|') + 1;
    text_add(text, choices, strcspn(choices, "|"));
}

static void add_operation(Text *text, const Link *link)
{
    text_add_string(text, link->operation->name);
    for (int i = 0; i < parameter_count(link->operation); i++) {
        const Parameter *parameter = &link->operation->parameter[i];

        text_add_format(text, ":%s=", parameter->name);
        if (parameter->type == PARAMETER_CHOICE)
            add_choice(text, parameter->choices, (int)link->arguments.value[i]);
        else if (parameter->type != PARAMETER_LIST)
            add_number(text, link->arguments.value[i]);
        else
            for (int n = 0; n < link->arguments.list_count; n++) {
                text_add_string(text, n == 0 ? "" : "/");
                add_number(text, link->arguments.list[n]);
            }
    }
}

static int parse_links(Pipeline *pipeline, char *text, Error *error)
{
    char *rest = text, *field;

    if (*cut_blanks(text) == '\0')
        return 0;
    while ((field = cut_field(&rest, ',')) != NULL) {
        Link *link;

        pipeline->link =
            memory_resize(pipeline->link, (size_t)(pipeline->length + 1) * sizeof *pipeline->link);
        link = &pipeline->link[pipeline->length++];
        *link = (Link){0};
        if (parse_operation(link, field, error) != 0)
            return -1;
        text_add_string(&pipeline->text, pipeline->length == 1 ? "" : ",");
        add_operation(&pipeline->text, link);
    }
    return 0;
}

/* check_plans lets each operation judge its arguments together (a matrix must be square). What a
 * format of rows cannot have is not known yet, and no reason to refuse. */
static int check_plans(const Pipeline *pipeline, Error *error)
{
    Chain chain;

    if (chain_build(&chain, pipeline, (RowFormat){.channels = 3, .depth = 8}, error) != 0)
        return error->kind == ERROR_USAGE ? -1 : 0;
    chain_free(&chain);
    return 0;
}

Pipeline *pipeline_parse(const char *text, Error *error)
{
    Pipeline *pipeline;
    char *copy;
    int result;

    if (strlen(text) > PIPELINE_TEXT) {
        error_set(error, ERROR_USAGE, "the pipeline is longer than %d bytes", PIPELINE_TEXT);
        return NULL;
    }
    pipeline = memory_need(sizeof *pipeline);
    copy = memory_copy_text(text);
    text_add_string(&pipeline->text, "");
    result = parse_links(pipeline, copy, error);
    free(copy);
    if (result == 0)
        result = check_plans(pipeline, error);
    if (result != 0) {
        pipeline_free(pipeline);
        return NULL;
    }
    return pipeline;
}

void pipeline_free(Pipeline *pipeline)
{
    if (pipeline == NULL)
        return;
    for (int i = 0; i < pipeline->length; i++)
        free(pipeline->link[i].list);
    free(pipeline->link);
    text_free(&pipeline->text);
    free(pipeline);
}

const char *pipeline_text(const Pipeline *pipeline)
{
    return pipeline->text.data;
}

int pipeline_length(const Pipeline *pipeline)
{
    return pipeline->length;
}

const Operation *pipeline_operation(const Pipeline *pipeline, int index)
{
    return pipeline->link[index].operation;
}

const Arguments *pipeline_arguments(const Pipeline *pipeline, int index)
{
    return &pipeline->link[index].arguments;
}

bool pipeline_wants_luma(const Pipeline *pipeline)
{
    const Operation *first;

    if (pipeline->length == 0)
        return false;
    first = pipeline->link[0].operation;
    return first->luma || strcmp(first->name, "grayscale") == 0;
}

int pipeline_output(const Pipeline *pipeline, RowFormat in, RowFormat *out, Error *error)
{
    Chain chain;

    if (chain_build(&chain, pipeline, in, error) != 0)
        return -1;
    *out = chain.out;
    chain_free(&chain);
    return 0;
}

/* The halo may depend on the depth and on alpha (premultiplied rows have 16 bits): the largest. */
int pipeline_halo(const Pipeline *pipeline)
{
    int halo = 0;

    for (int format = 0; format < 8; format++) {
        RowFormat in = {.channels = 1 + format % 4, .depth = format < 4 ? 8 : 16};
        Chain chain;
        Error error;

        if (chain_build(&chain, pipeline, in, &error) != 0)
            continue;
        if (chain.halo > halo)
            halo = chain.halo;
        chain_free(&chain);
    }
    return halo;
}

bool pipeline_may_cut(const Pipeline *pipeline)
{
    for (int i = 0; i < pipeline->length; i++) {
        OperationClass class = pipeline->link[i].operation->class;

        if (class != POINT && class != STENCIL)
            return false;
    }
    return true;
}
