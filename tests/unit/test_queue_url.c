/* Redis URLs. */
#include "queue/address.h"
#include "unit.h"

static const char *shown(const char *text)
{
    return text == NULL ? "(none)" : text;
}

static void urls_are_understood(void **state)
{
    static const struct {
        const char *url, *path, *host, *port, *user, *password;
        int db;
        const char *display;
    } cases[] = {
        {"redis://", NULL, "127.0.0.1", "6379", NULL, NULL, 0, "redis://127.0.0.1:6379/0"},
        {"redis://h", NULL, "h", "6379", NULL, NULL, 0, "redis://h:6379/0"},
        {"redis://h:7000/3", NULL, "h", "7000", NULL, NULL, 3, "redis://h:7000/3"},
        {"redis://:se%40cret@h", NULL, "h", "6379", NULL, "se@cret", 0, "redis://h:6379/0"},
        {"redis://u:p:q@h/", NULL, "h", "6379", "u", "p:q", 0, "redis://u@h:6379/0"},
        {"redis://u:a@b@h", NULL, "h", "6379", "u", "a@b", 0, "redis://u@h:6379/0"},
        {"redis://[::1]:6380/2", NULL, "::1", "6380", NULL, NULL, 2, "redis://[::1]:6380/2"},
        {"redis://[fe80::1]", NULL, "fe80::1", "6379", NULL, NULL, 0, "redis://[fe80::1]:6379/0"},
        {"unix:/run/r.sock", "/run/r.sock", NULL, "", NULL, NULL, 0, "unix:/run/r.sock"},
        {"unix:///run/r.sock?db=4", "/run/r.sock", NULL, "", NULL, NULL, 4,
         "unix:/run/r.sock?db=4"},
        {"redis+unix:///a%20b", "/a b", NULL, "", NULL, NULL, 0, "unix:/a b"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        QueueAddress address;
        Error error;
        if (address_parse(cases[i].url, &address, &error) != 0)
            fail_msg("%s: %s", cases[i].url, error.message);
        assert_string_equal(shown(address.path), shown(cases[i].path));
        assert_string_equal(shown(address.at.name), shown(cases[i].host));
        assert_string_equal(address.at.port, cases[i].port);
        assert_string_equal(shown(address.user), shown(cases[i].user));
        assert_string_equal(shown(address.password), shown(cases[i].password));
        assert_int_equal(address.db, cases[i].db);
        assert_string_equal(address.display, cases[i].display);
        address_free(&address);
    }
}

static void sentinels_are_understood(void **state)
{
    QueueAddress address;
    Error error;

    (void)state;
    if (address_parse("redis-sentinel://u:p%40q@one,[::1]:5000,three:26380/my%20main/4", &address,
                      &error) != 0)
        fail_msg("%s", error.message);
    assert_int_equal(address.sentinel_count, 3);
    assert_string_equal(address.sentinels[0].name, "one");
    assert_string_equal(address.sentinels[0].port, "26379");
    assert_string_equal(address.sentinels[1].name, "::1");
    assert_string_equal(address.sentinels[1].port, "5000");
    assert_string_equal(address.sentinels[2].port, "26380");
    assert_string_equal(address.master, "my main");
    assert_string_equal(address.user, "u");
    assert_string_equal(address.password, "p@q");
    assert_int_equal(address.db, 4);
    assert_null(address.at.name);
    assert_string_equal(address.display,
                        "redis-sentinel://u@one:26379,[::1]:5000,three:26380/my main/4");
    address_free(&address);
}

static void bad_urls_are_refused_without_telling_the_password(void **state)
{
    static const char *const urls[] = {
        "",
        "h:6379",
        "http://h",
        "rediss://:hidden@h",
        "redis://h:0",
        "redis://h:x",
        "redis://h:65536",
        "redis://h/x",
        "redis://h/1/2",
        "redis://h/99999",
        "redis://h?x",
        "redis://:hidden%@h",
        "redis://:hidden%0@h",
        "redis://:hidden%00@h",
        "unix:",
        "unix:a/b",
        "unix:/a?x=1",
        "unix:/a?db=",
        "redis://:hidden@h:x",
        "redis-sentinel://h",
        "redis-sentinel://:hidden@h/",
        "redis-sentinel://h:0/m",
        "redis-sentinel://a,b:x/m",
        "redis-sentinel://:hidden@a,b/m/x",
        "redis-sentinel://a/m?x",
    };

    (void)state;
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        QueueAddress address;
        Error error = {0};
        if (address_parse(urls[i], &address, &error) == 0)
            fail_msg("%s was taken", urls[i]);
        assert_int_equal(error.kind, ERROR_CONFIG);
        assert_null(strstr(error.message, "hidden"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls_are_understood),
        cmocka_unit_test(sentinels_are_understood),
        cmocka_unit_test(bad_urls_are_refused_without_telling_the_password),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
