/* The file store: results appear whole or not at all, and no path leads out of its root. */
#include "unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/store.h"

static char root[64];
static char input[96], output[96];
static Error error;

static int begin(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "/tmp/tc-store-XXXXXX");
    assert_non_null(mkdtemp(root));
    snprintf(input, sizeof input, "%s/in", root);
    snprintf(output, sizeof output, "%s/out/of/many", root);
    assert_int_equal(mkdir(input, 0755), 0);
    return 0;
}

static int end(void **state)
{
    char command[128];

    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    return system(command);
}

static void put_file(const char *folder, const char *name, const char *text)
{
    char path[PATH_MAX];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static StoreImage image_of(const char *path)
{
    return (StoreImage){.root = input, .path = path, .result = path, .number = 7};
}

static Store *open_store(void)
{
    Store *store = store_open_file(output, "job1", false, &error);

    assert_non_null(store);
    return store;
}

static size_t read_all(ByteSource *source, char *bytes, size_t room)
{
    size_t length = 0;
    ssize_t count;

    assert_non_null(source);
    while ((count = source->read(source, bytes + length, room - length, &error)) > 0)
        length += (size_t)count;
    assert_int_equal(count, 0);
    source->close(source);
    return length;
}

static void expect_result(const char *name, const char *text)
{
    char path[PATH_MAX], bytes[100] = "";
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", output, name);
    file = fopen(path, "r");
    assert_non_null(file);
    assert_non_null(fgets(bytes, sizeof bytes, file));
    fclose(file);
    assert_string_equal(bytes, text);
}

/* How many entries a folder has. */
static int entries(const char *path)
{
    DIR *directory = opendir(path);
    int count = -2;

    assert_non_null(directory);
    while (readdir(directory) != NULL)
        count++;
    closedir(directory);
    return count;
}

static void write_result(Store *store, const char *name, const char *text)
{
    const StoreImage image = image_of(name);
    ByteSink *sink = store->create_result(store, &image, &error);

    assert_non_null(sink);
    assert_int_equal(sink->write(sink, text, strlen(text), &error), 0);
    assert_int_equal(sink->written, strlen(text));
    assert_int_equal(sink->finish(sink, &error), 0);
}

static void a_source_is_read_from_front_to_back(void **state)
{
    enum { SIZE = 1000000 };
    const StoreImage image = image_of("big");
    Store *store = open_store();
    ByteSource *source;
    char path[PATH_MAX], *want = malloc(SIZE), *got = malloc(SIZE + 1);
    FILE *file;

    (void)state;
    for (int i = 0; i < SIZE; i++)
        want[i] = (char)(i * 7 ^ i >> 9);
    snprintf(path, sizeof path, "%s/big", input);
    file = fopen(path, "w");
    assert_int_equal(fwrite(want, 1, SIZE, file), SIZE);
    fclose(file);
    source = store->open_source(store, &image, &error);
    assert_non_null(source);
    assert_int_equal(source->size, SIZE);
    assert_int_equal(source->read(source, got, 3, &error), 3); /* few bytes, then many */
    assert_int_equal(read_all(source, got + 3, SIZE + 1 - 3), SIZE - 3);
    assert_memory_equal(got, want, SIZE);
    free(want);
    free(got);
    store->close(store);
}

static void a_result_appears_when_it_is_finished(void **state)
{
    const StoreImage image = image_of("deep/er/a.jpg");
    Store *store = open_store();
    char path[PATH_MAX], note[PATH_MAX] = "";
    ByteSink *sink;

    (void)state;
    store->temporary = note;
    store->temporary_size = sizeof note;
    sink = store->create_result(store, &image, &error);
    assert_non_null(sink);
    assert_int_equal(sink->write(sink, "hello", 5, &error), 0);
    snprintf(path, sizeof path, "%s/deep/er/a.jpg", output);
    assert_int_not_equal(access(path, F_OK), 0);
    assert_int_equal(access(note, F_OK), 0);
    assert_int_equal(sink->finish(sink, &error), 0);
    expect_result("deep/er/a.jpg", "hello");
    assert_string_equal(note, "");
    snprintf(path, sizeof path, "%s/deep/er", output);
    assert_int_equal(entries(path), 1);
    store->close(store);
}

static void an_abandoned_result_leaves_nothing(void **state)
{
    const StoreImage image = image_of("a.jpg");
    Store *store = open_store();
    ByteSink *sink = store->create_result(store, &image, &error);

    (void)state;
    assert_non_null(sink);
    assert_int_equal(sink->write(sink, "hello", 5, &error), 0);
    sink->abandon(sink);
    assert_int_equal(entries(output), 0);
    store->close(store);
}

static void a_result_replaces_an_older_one(void **state)
{
    Store *store = open_store();

    (void)state;
    write_result(store, "a.jpg", "old");
    write_result(store, "a.jpg", "new");
    expect_result("a.jpg", "new");
    assert_int_equal(entries(output), 1);
    store->close(store);
}

static void a_result_follows_the_umask(void **state)
{
    Store *store = open_store();
    const mode_t before = umask(027);
    char path[PATH_MAX];
    struct stat status;

    (void)state;
    write_result(store, "a.jpg", "x");
    umask(before);
    snprintf(path, sizeof path, "%s/a.jpg", output);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0640);
    store->close(store);
}

static void the_longest_name_can_be_written(void **state)
{
    Store *store = open_store();
    char name[NAME_MAX + 1];

    (void)state;
    memset(name, 'n', NAME_MAX);
    name[NAME_MAX] = '\0';
    write_result(store, name, "long");
    expect_result(name, "long");
    store->close(store);
}

/* Sources that cannot be had, with what is said. */
static void a_bad_source_is_refused_with_the_reason(void **state)
{
    static const struct {
        const char *path, *reason;
    } cases[] = {
        {"missing.jpg", "vanished"},
        {"a.jpg/b.jpg", "vanished"},
        {"folder", "not a regular file"},
        {"pipe", "not a regular file"},
        {"outside/secret", "symbolic link"},
        {"direct", "symbolic link"},
        {"../secret", "symbolic link"},
        {"/etc/passwd", "symbolic link"},
        {"circle", "circle"},
    };
    Store *store = open_store();
    char path[PATH_MAX];

    (void)state;
    put_file(root, "secret", "secret");
    put_file(input, "a.jpg", "x");
    snprintf(path, sizeof path, "%s/folder", input);
    assert_int_equal(mkdir(path, 0755), 0);
    snprintf(path, sizeof path, "%s/pipe", input);
    assert_int_equal(mkfifo(path, 0644), 0);
    snprintf(path, sizeof path, "%s/outside", input);
    assert_int_equal(symlink("..", path), 0);
    snprintf(path, sizeof path, "%s/direct", input);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    snprintf(path, sizeof path, "%s/circle", input);
    assert_int_equal(symlink("circle", path), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const StoreImage image = image_of(cases[i].path);

        assert_null(store->open_source(store, &image, &error));
        assert_int_equal(error.kind, ERROR_INPUT);
        assert_contains(error.message, cases[i].reason);
    }
    store->close(store);
}

static void a_link_within_the_root_is_followed(void **state)
{
    const StoreImage image = image_of("link");
    Store *store = open_store();
    char path[PATH_MAX], bytes[10] = "";

    (void)state;
    put_file(input, "a.jpg", "here");
    snprintf(path, sizeof path, "%s/link", input);
    assert_int_equal(symlink("a.jpg", path), 0);
    assert_int_equal(read_all(store->open_source(store, &image, &error), bytes, sizeof bytes), 4);
    assert_string_equal(bytes, "here");
    store->close(store);
}

static void a_missing_input_folder_may_come_back(void **state)
{
    const StoreImage image = {.root = "/nowhere/at/all", .path = "a", .result = "a"};
    Store *store = open_store();

    (void)state;
    assert_null(store->open_source(store, &image, &error));
    assert_int_equal(error.kind, ERROR_STORE);
    assert_contains(error.message, "/nowhere/at/all");
    store->close(store);
}

static void a_result_never_leaves_the_output_folder(void **state)
{
    Store *store = open_store();
    const StoreImage image = image_of("outside/a.jpg");
    char path[PATH_MAX];

    (void)state;
    snprintf(path, sizeof path, "%s/outside", output);
    assert_int_equal(symlink(input, path), 0);
    assert_null(store->create_result(store, &image, &error));
    assert_int_equal(error.kind, ERROR_INPUT);
    assert_contains(error.message, "symbolic link");
    assert_int_equal(entries(input), 0);
    store->close(store);
}

static void a_name_that_is_taken_fails_alone(void **state)
{
    const StoreImage folder = image_of("taken"), file = image_of("a.jpg/b.jpg");
    Store *store = open_store();
    ByteSink *sink;

    (void)state;
    write_result(store, "taken/a.jpg", "x");
    write_result(store, "a.jpg", "x");
    sink = store->create_result(store, &folder, &error);
    assert_non_null(sink);
    assert_int_equal(sink->finish(sink, &error), -1);
    assert_int_equal(error.kind, ERROR_INPUT);
    assert_null(store->create_result(store, &file, &error));
    assert_int_equal(error.kind, ERROR_INPUT);
    assert_int_equal(entries(output), 2);
    store->close(store);
}

static void a_full_disk_stops_the_job_and_leaves_nothing(void **state)
{
    const StoreImage image = image_of("a.jpg");
    const size_t size = 1 << 20;
    char *bytes = calloc(1, size);
    Store *store = open_store();
    ByteSink *sink;
    char command[300];

    (void)state;
    snprintf(command, sizeof command, "mount -t tmpfs -o size=64k tmpfs '%s' 2>/dev/null", output);
    if (geteuid() != 0 || system(command) != 0) {
        free(bytes);
        store->close(store);
        skip();
    }
    store->close(store); /* it kept the folder below the mount */
    store = open_store();
    sink = store->create_result(store, &image, &error);
    assert_non_null(sink);
    assert_int_equal(sink->write(sink, bytes, size, &error), -1);
    assert_int_equal(error.kind, ERROR_FULL);
    assert_contains(error.message, "; make room there");
    assert_contains(error.message, output);
    sink->abandon(sink);
    assert_int_equal(entries(output), 0);
    store->close(store);
    free(bytes);
    snprintf(command, sizeof command, "umount '%s'", output);
    assert_int_equal(system(command), 0);
}

static void an_output_folder_that_is_a_file_stops_the_job(void **state)
{
    char path[PATH_MAX];

    (void)state;
    put_file(root, "file", "x");
    snprintf(path, sizeof path, "%s/file/out", root);
    assert_null(store_open_file(path, "job1", false, &error));
    assert_int_equal(error.kind, ERROR_FULL);
    assert_contains(error.message, path);
}

static void parts_wait_for_the_join_and_go_after_it(void **state)
{
    const StoreImage image = image_of("a.jpg");
    Store *store = open_store();
    char bytes[10] = "";

    (void)state;
    for (int tile = 0; tile < 3; tile++) {
        ByteSink *sink = store->create_part(store, &image, tile, &error);

        assert_non_null(sink);
        assert_int_equal(sink->write(sink, "012" + tile, 1, &error), 0);
        assert_int_equal(sink->finish(sink, &error), 0);
    }
    assert_int_equal(read_all(store->open_part(store, &image, 1, &error), bytes, sizeof bytes), 1);
    assert_string_equal(bytes, "1");
    store->remove_parts(store, &image, 3);
    assert_null(store->open_part(store, &image, 1, &error));
    assert_int_equal(error.kind, ERROR_INPUT);
    assert_int_equal(entries(output), 0);
    store->close(store);
}

static void parts_of_a_cancelled_job_are_forgotten(void **state)
{
    const StoreImage image = image_of("a.jpg");
    Store *store = open_store();
    ByteSink *sink = store->create_part(store, &image, 1, &error);

    (void)state;
    assert_non_null(sink);
    assert_int_equal(sink->finish(sink, &error), 0);
    store->forget(store);
    assert_int_equal(entries(output), 0);
    store->forget(store); /* by another lane */
    store->close(store);
}

static void an_output_folder_that_was_moved_away_is_made_again(void **state)
{
    Store *store = open_store();
    char moved[PATH_MAX];

    (void)state;
    write_result(store, "a.jpg", "first");
    snprintf(moved, sizeof moved, "%s/moved", root);
    assert_int_equal(rename(output, moved), 0);
    assert_int_equal(unlinkat(AT_FDCWD, strcat(moved, "/a.jpg"), 0), 0);
    moved[strlen(moved) - strlen("/a.jpg")] = '\0';
    assert_int_equal(rmdir(moved), 0);
    write_result(store, "a.jpg", "second");
    expect_result("a.jpg", "second");
    store->close(store);
}

/* A process that dies while it writes leaves its temporary file; a living one's is not touched. */
static void a_sweep_removes_what_the_dead_left(void **state)
{
    const StoreImage image = image_of("folder/a.jpg"), living = image_of("folder/b.jpg");
    Store *store = open_store();
    ByteSink *sink = store->create_result(store, &living, &error);
    pid_t child = fork();
    int status;

    (void)state;
    if (child == 0)
        _exit(store->create_result(store, &image, &error) == NULL ||
              store->create_part(store, &image, 0, &error) == NULL);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    put_file(output, ".a.tilecrew-elsewhere-1-1.tmp", "x");
    put_file(output, "a.tilecrew", "x");
    assert_int_equal(store_sweep_file(output, "job1", &error), 2);
    assert_int_equal(store_sweep_file(output, NULL, &error), 0);
    assert_int_equal(sink->finish(sink, &error), 0);
    assert_int_equal(entries(output), 3);
    store->close(store);
}

/* From here on this process is one on an old kernel, or in a strict sandbox. */
static int begin_without_openat2(void **state)
{
    struct sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof rules / sizeof *rules, rules};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        return -1;
    return begin(state);
}

static void without_openat2_a_bad_source_is_refused(void **state)
{
    a_bad_source_is_refused_with_the_reason(state);
}

static void without_openat2_a_link_within_the_root_is_followed(void **state)
{
    a_link_within_the_root_is_followed(state);
}

static void without_openat2_a_result_never_leaves_the_output_folder(void **state)
{
    a_result_never_leaves_the_output_folder(state);
}

static void without_openat2_parts_wait_for_the_join(void **state)
{
    parts_wait_for_the_join_and_go_after_it(state);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_source_is_read_from_front_to_back, begin, end),
        cmocka_unit_test_setup_teardown(a_result_appears_when_it_is_finished, begin, end),
        cmocka_unit_test_setup_teardown(an_abandoned_result_leaves_nothing, begin, end),
        cmocka_unit_test_setup_teardown(a_result_replaces_an_older_one, begin, end),
        cmocka_unit_test_setup_teardown(a_result_follows_the_umask, begin, end),
        cmocka_unit_test_setup_teardown(the_longest_name_can_be_written, begin, end),
        cmocka_unit_test_setup_teardown(a_bad_source_is_refused_with_the_reason, begin, end),
        cmocka_unit_test_setup_teardown(a_link_within_the_root_is_followed, begin, end),
        cmocka_unit_test_setup_teardown(a_missing_input_folder_may_come_back, begin, end),
        cmocka_unit_test_setup_teardown(a_result_never_leaves_the_output_folder, begin, end),
        cmocka_unit_test_setup_teardown(a_name_that_is_taken_fails_alone, begin, end),
        cmocka_unit_test_setup_teardown(a_full_disk_stops_the_job_and_leaves_nothing, begin, end),
        cmocka_unit_test_setup_teardown(an_output_folder_that_is_a_file_stops_the_job, begin, end),
        cmocka_unit_test_setup_teardown(parts_wait_for_the_join_and_go_after_it, begin, end),
        cmocka_unit_test_setup_teardown(parts_of_a_cancelled_job_are_forgotten, begin, end),
        cmocka_unit_test_setup_teardown(an_output_folder_that_was_moved_away_is_made_again, begin,
                                        end),
        cmocka_unit_test_setup_teardown(a_sweep_removes_what_the_dead_left, begin, end),
        cmocka_unit_test_setup_teardown(without_openat2_a_bad_source_is_refused,
                                        begin_without_openat2, end),
        cmocka_unit_test_setup_teardown(without_openat2_a_link_within_the_root_is_followed, begin,
                                        end),
        cmocka_unit_test_setup_teardown(without_openat2_a_result_never_leaves_the_output_folder,
                                        begin, end),
        cmocka_unit_test_setup_teardown(without_openat2_parts_wait_for_the_join, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
