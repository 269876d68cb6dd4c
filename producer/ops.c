/* tilecrew ops: the operations, and a page for each, from the declarations in kernels/. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "compute/operation.h"
#include "compute/pipeline.h"
#include "producer/commands.h"
#include "producer/report.h"
#include "producer/session.h"

enum { OPERATIONS_MOST = 256, LABEL_WIDTH = 12, PAGE_WIDTH = 96 };

typedef struct ClassName {
    const char *name;
    const char *heading;
} ClassName;

static const ClassName classes[] = {
    [POINT] = {"point", "Each pixel by itself"},
    [STENCIL] = {"stencil", "A pixel from its neighbourhood"},
    [REDUCE] = {"reduce", "From statistics of the whole image"},
    [GEOMETRY] = {"geometry", "Moving pixels"},
    [WHOLE] = {"whole", "Needing the whole image at once"},
};

static const char *const parameter_types[] = {
    [PARAMETER_INT] = "whole number",
    [PARAMETER_FLOAT] = "number",
    [PARAMETER_CHOICE] = "choice",
    [PARAMETER_LIST] = "list of numbers",
};

/* --- the list */

static void ops_print_list(const Operation *const *operations, size_t count)
{
    for (size_t class = 0; class < sizeof classes / sizeof classes[0]; class ++) {
        bool headed = false;

        for (size_t i = 0; i < count; i++) {
            if ((size_t)operations[i]->class != class)
                continue;
            if (!headed)
                printf("%s%s:\n", class > 0 ? "\n" : "", classes[class].heading);
            headed = true;
            printf("  %-12s  %s\n", operations[i]->name, operations[i]->help);
        }
    }
    printf("\nChain them by commas: --ops gaussian:sigma=2,sobel,invert\n"
           "'tilecrew ops NAME' shows the parameters and the exact definition.\n");
}

/* --- one operation */

/* choice_text copies the `index`th of "a|b|c". */
static void choice_text(const char *choices, int index, char *text, size_t size)
{
    while (index-- > 0 && strchr(choices, '|') != NULL)
        choices = strchr(choices, '|') + 1;
    snprintf(text, size, "%.*s", (int)strcspn(choices, "|"), choices);
}

static void parameter_texts(const Parameter *parameter, char *range, char *standard, size_t size)
{
    snprintf(range, size, "%g to %g", parameter->minimum, parameter->maximum);
    snprintf(standard, size, "%g", parameter->standard);
    if (parameter->type == PARAMETER_CHOICE) {
        snprintf(range, size, "%s", parameter->choices);
        choice_text(parameter->choices, (int)parameter->standard, standard, size);
    } else if (parameter->type == PARAMETER_LIST) {
        snprintf(standard, size, "%s", parameter->standard_text);
    }
}

static void ops_print_parameters(const Operation *operation)
{
    static const char *const headings[] = {"  PARAMETER", "TYPE", "RANGE", "DEFAULT", "MEANING"};
    char range[256], standard[256];
    Table table;

    table_begin(&table, headings, sizeof headings / sizeof headings[0]);
    for (const Parameter *parameter = operation->parameter; parameter->name != NULL; parameter++) {
        parameter_texts(parameter, range, standard, sizeof range);
        table_add(&table, "  %s", parameter->name);
        table_add(&table, "%s", parameter_types[parameter->type]);
        table_add(&table, "%s", range);
        table_add(&table, "%s", standard);
        table_add(&table, "%s", parameter->help);
    }
    table_print(&table, stdout);
}

/* operation_halo is the rows needed above and below a row, with default arguments. */
static int operation_halo(const Operation *operation, bool *may_cut)
{
    Error ignored;
    Pipeline *pipeline = pipeline_parse(operation->name, &ignored);
    int halo;

    if (pipeline == NULL)
        return -1;
    halo = pipeline_halo(pipeline);
    *may_cut = pipeline_may_cut(pipeline);
    pipeline_free(pipeline);
    return halo;
}

/* ops_print_wrapped prints `label` and beside it the text, broken at blanks. */
static void ops_print_wrapped(const char *label, const char *text)
{
    int column = printf("%-*s", LABEL_WIDTH, label);

    for (text += strspn(text, " "); *text != '\0'; text += strspn(text, " ")) {
        int length = (int)strcspn(text, " ");

        if (column > LABEL_WIDTH && column + 1 + length > PAGE_WIDTH)
            column = printf("\n%*s", LABEL_WIDTH, "") - 1;
        column += printf("%s%.*s", column > LABEL_WIDTH ? " " : "", length, text);
        text += length;
    }
    putchar('\n');
}

static void ops_print_page(const Operation *operation)
{
    bool may_cut = false;
    int halo = operation_halo(operation, &may_cut);

    printf("%s: %s\n\n", operation->name, operation->help);
    if (operation->parameter[0].name != NULL) {
        ops_print_parameters(operation);
        putchar('\n');
    }
    printf("Class       %s%s\n", classes[operation->class].name,
           operation->luma ? ", on grey" : "");
    if (halo >= 0)
        printf("Halo        %d rows above and below, with default parameters%s\n", halo,
               may_cut ? "" : "; images are never cut");
    ops_print_wrapped("Definition", operation->definition);
    ops_print_wrapped("Oracle", operation->oracle);
    printf("Tolerance   %d %s of 8 bits\n", operation->tolerance,
           operation->tolerance == 1 ? "level" : "levels");
}

/* --- JSON */

static json_t *parameter_json(const Parameter *parameter)
{
    char range[256], standard[256];
    json_t *value;

    parameter_texts(parameter, range, standard, sizeof range);
    value = json_pack("{s:s, s:s, s:s}", "name", parameter->name, "type",
                      parameter_types[parameter->type], "help", parameter->help);
    if (parameter->type == PARAMETER_CHOICE)
        json_object_set_new(value, "choices", json_string(range));
    else
        json_object_update_new(value, json_pack("{s:f, s:f}", "minimum", parameter->minimum,
                                                "maximum", parameter->maximum));
    if (parameter->type == PARAMETER_INT || parameter->type == PARAMETER_FLOAT)
        json_object_set_new(value, "default", json_real(parameter->standard));
    else
        json_object_set_new(value, "default", json_string(standard));
    return value;
}

static json_t *operation_json(const Operation *operation)
{
    json_t *parameters = json_array();
    bool may_cut = false;
    int halo = operation_halo(operation, &may_cut);

    for (const Parameter *parameter = operation->parameter; parameter->name != NULL; parameter++)
        json_array_append_new(parameters, parameter_json(parameter));
    return json_pack("{s:s, s:s, s:s, s:b, s:i, s:b, s:s, s:s, s:i, s:o}", "name", operation->name,
                     "class", classes[operation->class].name, "help", operation->help, "grey",
                     operation->luma, "halo", halo, "may_cut", may_cut, "definition",
                     operation->definition, "oracle", operation->oracle, "tolerance",
                     operation->tolerance, "parameters", parameters);
}

static const Operation *ops_find(const Operation *const *operations, size_t count, const char *name,
                                 Error *error)
{
    const char *names[OPERATIONS_MOST];
    const Operation *found = operation_find(name);
    const char *nearest;
    size_t known = count < OPERATIONS_MOST ? count : OPERATIONS_MOST;

    if (found != NULL)
        return found;
    for (size_t i = 0; i < known; i++)
        names[i] = operations[i]->name;
    nearest = text_nearest(name, names, known);
    if (nearest != NULL)
        error_set(error, ERROR_USAGE, "unknown operation '%s'; did you mean '%s'?", name, nearest);
    else
        error_set(error, ERROR_USAGE, "unknown operation '%s'; 'tilecrew ops' lists all", name);
    return NULL;
}

int command_ops(void *settings, const CommandLine *line, Error *error)
{
    bool json = ((const Settings *)settings)->json;
    size_t count;
    const Operation *const *operations = operation_list(&count);
    const Operation *one = NULL;

    if (line->operand_count > 0 &&
        (one = ops_find(operations, count, line->operands[0], error)) == NULL)
        return -1;
    if (json && one != NULL) {
        report_print_json(operation_json(one));
    } else if (json) {
        json_t *list = json_array();

        for (size_t i = 0; i < count; i++)
            json_array_append_new(list, operation_json(operations[i]));
        report_print_json(list);
    } else if (one != NULL) {
        ops_print_page(one);
    } else {
        ops_print_list(operations, count);
    }
    return 0;
}
