/* os_contract.h - what every kis_os does. The including test says which one it is:
 *
 *     static kis_os *contract_open(char dir[256]);   an empty folder of its own
 *     static void contract_close(kis_os *os, const char *dir);
 *     static void contract_limit(uint64_t bytes);    of a file, or of all together; 0: none
 *     #include "os/os_contract.h"
 *     TEST_MAIN(OS_CONTRACT, RUN(...))
 */
#ifndef KIS_OS_OS_CONTRACT_H
#define KIS_OS_OS_CONTRACT_H

#include <string.h>

#include "os/os.h"

static kis_os *contract_open(char dir[256]);
static void contract_close(kis_os *os, const char *dir);
static void contract_limit(uint64_t bytes);

typedef struct contract {
    kis_os *os;
    const kis_os_ops *ops;
    kis_diag diag;
    char dir[256], text[512];
} contract;

static contract contract_begin(void)
{
    contract c = { .os = NULL };
    c.os = contract_open(c.dir);
    c.ops = c.os->ops;
    return c;
}

static void contract_end(contract *c)
{
    contract_close(c->os, c->dir);
}

/* dir/name; valid until the next call but one */
static kis_str at(contract *c, const char *name)
{
    static char texts[2][512];
    static int turn;
    char *text = texts[turn = !turn];
    snprintf(text, sizeof(texts[0]), "%s/%s", c->dir, name);
    return kis_str_from_c(text);
}

/* These fail the test with the diag's words. */
static kis_file open_it(contract *c, const char *name, kis_open_mode mode)
{
    kis_file file = { 0 };
    CHECK_ERR(KIS_OK, c->ops->open(c->os, at(c, name), mode, &file, &c->diag), c->diag.text);
    CHECK(file.handle != 0, "an open file is not zeros");
    return file;
}

static void write_it(contract *c, kis_file file, uint64_t offset, const char *text)
{
    CHECK_ERR(KIS_OK, c->ops->write_at(c->os, file, offset, text, strlen(text), &c->diag),
              c->diag.text);
}

static void check_content(contract *c, kis_file file, const char *bytes, size_t len,
                          const char *why)
{
    static char got[100000];
    uint64_t size = 0;
    CHECK_ERR(KIS_OK, c->ops->size(c->os, file, &size, &c->diag), c->diag.text);
    CHECK_INT(len, size, why);
    CHECK_ERR(KIS_OK, c->ops->read_at(c->os, file, 0, got, len, &c->diag), c->diag.text);
    CHECK(memcmp(got, bytes, len) == 0, why);
}

static void check_words(contract *c, kis_err want, kis_err got, const char *name, const char *why)
{
    CHECK_ERR(want, got, why);
    CHECK_ERR(want, c->diag.err, why);
    if (!strstr(c->diag.text, name))
        fail_msg("%s: '%s' does not name '%s'", why, c->diag.text, name);
    c->diag = (kis_diag){ 0 };
}

TEST(what_is_written_is_read_back)
{
    contract c = contract_begin();
    static char large[70000], got[70000];
    for (size_t i = 0; i < sizeof(large); i++)
        large[i] = (char)(i * 31 >> 2);
    kis_file file = open_it(&c, "f", KIS_OPEN_CREATE);
    write_it(&c, file, 0, "hello");
    write_it(&c, file, 3, "LOOO");
    check_content(&c, file, "helLOOO", 7, "overwritten and longer");
    CHECK_ERR(KIS_OK, c.ops->write_at(c.os, file, 5000, large, sizeof(large), &c.diag),
              c.diag.text);
    CHECK_ERR(KIS_OK, c.ops->read_at(c.os, file, 5000, got, sizeof(got), &c.diag), c.diag.text);
    CHECK(memcmp(large, got, sizeof(got)) == 0, "many pages, across their borders");
    CHECK_ERR(KIS_OK, c.ops->read_at(c.os, file, 7, got, 4993, &c.diag), c.diag.text);
    for (size_t i = 0; i < 4993; i++)
        CHECK(got[i] == 0, "a hole reads as zeros");
    CHECK_ERR(KIS_OK, c.ops->sync(c.os, file, &c.diag), c.diag.text);
    c.ops->advise(c.os, file, 0, 4096, true);
    c.ops->advise(c.os, file, 0, 4096, false);
    c.ops->close(c.os, file);
    file = open_it(&c, "f", KIS_OPEN_READ);
    CHECK_ERR(KIS_OK, c.ops->read_at(c.os, file, 5000, got, sizeof(got), &c.diag), c.diag.text);
    CHECK(memcmp(large, got, sizeof(got)) == 0, "after closing and opening");
    c.ops->close(c.os, file);
    c.ops->close(c.os, (kis_file){ 0 });
    contract_end(&c);
}

TEST(reading_behind_the_end_says_more)
{
    contract c = contract_begin();
    char got[16] = "";
    kis_file file = open_it(&c, "short", KIS_OPEN_CREATE);
    write_it(&c, file, 0, "12345");
    check_words(&c, KIS_ERR_MORE, c.ops->read_at(c.os, file, 3, got, 4, &c.diag), "short",
                "two bytes early");
    check_words(&c, KIS_ERR_MORE, c.ops->read_at(c.os, file, 99, got, 1, &c.diag), "short",
                "far behind");
    CHECK_ERR(KIS_OK, c.ops->read_at(c.os, file, 5, got, 0, &c.diag), "nothing is always there");
    CHECK_ERR(KIS_ERR_MORE, c.ops->read_at(c.os, file, 5, got, 1, NULL), "diag may be NULL");
    c.ops->close(c.os, file);
    contract_end(&c);
}

TEST(open_modes_say_what_must_exist)
{
    contract c = contract_begin();
    kis_file file = { 0 }, other = { 0 };
    check_words(&c, KIS_ERR_NOT_FOUND,
                c.ops->open(c.os, at(&c, "no"), KIS_OPEN_READ, &file, &c.diag), "no", "read");
    check_words(&c, KIS_ERR_NOT_FOUND,
                c.ops->open(c.os, at(&c, "no"), KIS_OPEN_WRITE, &file, &c.diag), "no", "write");
    check_words(&c, KIS_ERR_NOT_FOUND,
                c.ops->open(c.os, at(&c, "no/f"), KIS_OPEN_CREATE, &file, &c.diag), "no/f",
                "create where there is no folder");
    CHECK_INT(0, file.handle, "a failed open leaves `out` alone");
    file = open_it(&c, "f", KIS_OPEN_CREATE);
    write_it(&c, file, 0, "kept");
    check_words(&c, KIS_ERR_RANGE, c.ops->open(c.os, at(&c, "f"), KIS_OPEN_CREATE, &other, &c.diag),
                "f", "create what exists");
    other = open_it(&c, "f", KIS_OPEN_CREATE_OR_WRITE);
    check_content(&c, other, "kept", 4, "create or write does not empty the file");
    c.ops->close(c.os, other);
    other = open_it(&c, "f", KIS_OPEN_READ);
    check_words(&c, KIS_ERR_IO, c.ops->write_at(c.os, other, 0, "x", 1, &c.diag), "f",
                "write to a file opened to read");
    c.ops->close(c.os, other);
    other = open_it(&c, "new", KIS_OPEN_CREATE_OR_WRITE);
    check_content(&c, other, "", 0, "new and empty");
    c.ops->close(c.os, other);
    c.ops->close(c.os, file);
    contract_end(&c);
}

TEST(what_is_appended_comes_behind_what_others_appended)
{
    contract c = contract_begin();
    kis_file one = open_it(&c, "f", KIS_OPEN_APPEND), two = open_it(&c, "f", KIS_OPEN_APPEND);
    for (int i = 0; i < 2; i++) {
        CHECK_ERR(KIS_OK, c.ops->append(c.os, one, "one ", 4, &c.diag), c.diag.text);
        CHECK_ERR(KIS_OK, c.ops->append(c.os, two, "two, ", 5, &c.diag), c.diag.text);
    }
    check_content(&c, one, "one two, one two, ", 18, "in turn, and one sees what the other did");
    CHECK_ERR(KIS_OK, c.ops->truncate(c.os, two, 4, &c.diag), c.diag.text);
    CHECK_ERR(KIS_OK, c.ops->append(c.os, one, "more", 4, &c.diag), c.diag.text);
    check_content(&c, two, "one more", 8, "the end is where it is now");
    CHECK_ERR(KIS_OK, c.ops->append(c.os, one, "", 0, &c.diag), "nothing is no error");
    c.ops->close(c.os, one);
    c.ops->close(c.os, two);
    one = open_it(&c, "f", KIS_OPEN_APPEND);
    CHECK_ERR(KIS_OK, c.ops->append(c.os, one, "!", 1, &c.diag), c.diag.text);
    check_content(&c, one, "one more!", 9, "opening keeps what is there");
    c.ops->close(c.os, one);
    one = open_it(&c, "f", KIS_OPEN_READ);
    check_words(&c, KIS_ERR_IO, c.ops->append(c.os, one, "x", 1, &c.diag), "f", "read-only");
    c.ops->close(c.os, one);
    contract_end(&c);
}

TEST(what_does_not_fit_is_not_appended)
{
    contract c = contract_begin();
    static char bytes[8192];
    kis_file one = open_it(&c, "f", KIS_OPEN_APPEND), two = open_it(&c, "f", KIS_OPEN_APPEND);
    contract_limit(2 * 4096);
    CHECK_ERR(KIS_OK, c.ops->append(c.os, one, "one ", 4, &c.diag), c.diag.text);
    CHECK_ERR(KIS_OK, c.ops->append(c.os, two, "two, ", 5, &c.diag), c.diag.text);
    for (int i = 0; i < 2; i++)
        check_words(&c, KIS_ERR_FULL, c.ops->append(c.os, one, bytes, sizeof(bytes), &c.diag), "f",
                    "the part that fitted made it full");
    check_content(&c, one, "one two, ", 9, "and is gone again");
    CHECK_ERR(KIS_OK, c.ops->append(c.os, two, "two", 3, &c.diag), "what fits does");
    contract_limit(0);
    CHECK_ERR(KIS_OK, c.ops->append(c.os, one, bytes, sizeof(bytes), &c.diag), c.diag.text);
    c.ops->close(c.os, one);
    c.ops->close(c.os, two);
    contract_end(&c);
}

TEST(truncate_cuts_and_fills_with_zeros)
{
    contract c = contract_begin();
    kis_file file = open_it(&c, "f", KIS_OPEN_CREATE);
    write_it(&c, file, 0, "0123456789");
    CHECK_ERR(KIS_OK, c.ops->truncate(c.os, file, 4, &c.diag), c.diag.text);
    check_content(&c, file, "0123", 4, "cut");
    CHECK_ERR(KIS_OK, c.ops->truncate(c.os, file, 8, &c.diag), c.diag.text);
    check_content(&c, file, "0123\0\0\0\0", 8, "what was cut does not come back");
    CHECK_ERR(KIS_OK, c.ops->write_at(c.os, file, 9000, "x", 1, &c.diag), c.diag.text);
    CHECK_ERR(KIS_OK, c.ops->truncate(c.os, file, 2, &c.diag), c.diag.text);
    CHECK_ERR(KIS_OK, c.ops->truncate(c.os, file, 9001, &c.diag), c.diag.text);
    static char want[9001] = "01";
    check_content(&c, file, want, sizeof(want), "nor in later pages");
    c.ops->close(c.os, file);
    contract_end(&c);
}

TEST(preallocate_grows_and_keeps)
{
    contract c = contract_begin();
    kis_file file = open_it(&c, "f", KIS_OPEN_CREATE);
    static char want[50000] = "head";
    write_it(&c, file, 0, "head");
    CHECK_ERR(KIS_OK, c.ops->preallocate(c.os, file, sizeof(want), &c.diag), c.diag.text);
    check_content(&c, file, want, sizeof(want), "zeros behind what was there");
    CHECK_ERR(KIS_OK, c.ops->preallocate(c.os, file, 10, &c.diag), c.diag.text);
    check_content(&c, file, want, sizeof(want), "it never cuts");
    write_it(&c, file, 40000, "inside");
    memcpy(want + 40000, "inside", 6);
    check_content(&c, file, want, sizeof(want), "writing inside");
    memcpy(want + 40000, "\0\0\0\0\0\0", 6);
    c.ops->close(c.os, file);
    contract_end(&c);
}

typedef struct name_list {
    char names[16][64];
    size_t count;
} name_list;

static void add_name(void *user, kis_str name)
{
    name_list *list = user;
    if (list->count < COUNT_OF(list->names))
        kis_str_to_c(name, list->names[list->count++], sizeof(list->names[0]));
}

static bool dir_has(contract *c, const char *dir, const char *name, size_t *out_count)
{
    name_list list = { .count = 0 };
    kis_str path = dir[0] ? at(c, dir) : kis_str_from_c(c->dir);
    CHECK_ERR(KIS_OK, c->ops->list_dir(c->os, path, add_name, &list, &c->diag), c->diag.text);
    *out_count = list.count;
    for (size_t i = 0; i < list.count; i++) {
        if (strcmp(list.names[i], name) == 0)
            return true;
    }
    return false;
}

TEST(rename_replaces_and_remove_removes)
{
    contract c = contract_begin();
    size_t count;
    kis_file file = open_it(&c, "a", KIS_OPEN_CREATE);
    write_it(&c, file, 0, "from a");
    c.ops->close(c.os, file);
    file = open_it(&c, "b", KIS_OPEN_CREATE);
    write_it(&c, file, 0, "the old b");
    CHECK_ERR(KIS_OK, c.ops->rename(c.os, at(&c, "a"), at(&c, "b"), &c.diag), c.diag.text);
    CHECK(dir_has(&c, "", "b", &count) && count == 1, "one name is left");
    check_content(&c, file, "the old b", 9, "who has the replaced file open still has it");
    c.ops->close(c.os, file);
    file = open_it(&c, "b", KIS_OPEN_READ);
    check_content(&c, file, "from a", 6, "the new content");
    CHECK_ERR(KIS_OK, c.ops->remove(c.os, at(&c, "b"), &c.diag), c.diag.text);
    check_content(&c, file, "from a", 6, "who has the removed file open still has it");
    c.ops->close(c.os, file);
    CHECK(!dir_has(&c, "", "b", &count) && count == 0, "no name is left");
    check_words(&c, KIS_ERR_NOT_FOUND, c.ops->rename(c.os, at(&c, "gone"), at(&c, "x"), &c.diag),
                "gone", "rename");
    check_words(&c, KIS_ERR_NOT_FOUND, c.ops->remove(c.os, at(&c, "gone"), &c.diag), "gone",
                "remove");
    CHECK_ERR(KIS_OK, c.ops->sync_dir(c.os, kis_str_from_c(c.dir), &c.diag), c.diag.text);
    contract_end(&c);
}

TEST(folders_are_made_with_their_parents)
{
    contract c = contract_begin();
    size_t count;
    CHECK_ERR(KIS_OK, c.ops->make_dir(c.os, at(&c, "one/two/three"), &c.diag), c.diag.text);
    CHECK_ERR(KIS_OK, c.ops->make_dir(c.os, at(&c, "one/two/three/"), &c.diag),
              "fine when it exists");
    CHECK(dir_has(&c, "", "one", &count) && count == 1, "not the ones below");
    CHECK(dir_has(&c, "one/two", "three", &count) && count == 1, "inside");
    kis_file file = open_it(&c, "one/two/f", KIS_OPEN_CREATE);
    c.ops->close(c.os, file);
    CHECK(dir_has(&c, "one/two", "f", &count) && count == 2, "beside a file");
    check_words(&c, KIS_ERR_IO, c.ops->make_dir(c.os, at(&c, "one/two/f"), &c.diag), "one/two/f",
                "a file is in the way");
    CHECK(c.ops->make_dir(c.os, at(&c, "one/two/f/g"), &c.diag) != KIS_OK, "and on the way");
    check_words(&c, KIS_ERR_NOT_FOUND, c.ops->list_dir(c.os, at(&c, "no"), add_name, NULL, &c.diag),
                "no", "list");
    check_words(&c, KIS_ERR_NOT_FOUND, c.ops->sync_dir(c.os, at(&c, "no"), &c.diag), "no", "sync");
    CHECK(c.ops->remove(c.os, at(&c, "one/two"), &c.diag) == KIS_ERR_IO, "not empty");
    CHECK_ERR(KIS_OK, c.ops->remove(c.os, at(&c, "one/two/three"), &c.diag), "empty");
    CHECK_ERR(KIS_OK, c.ops->remove(c.os, at(&c, "one/two/f"), &c.diag), "a file");
    CHECK_ERR(KIS_OK, c.ops->remove(c.os, at(&c, "one/two"), &c.diag), "empty now");
    contract_end(&c);
}

TEST(a_lock_is_held_by_one)
{
    contract c = contract_begin();
    kis_file first = { 0 }, second = { 0 };
    CHECK_ERR(KIS_OK, c.ops->lock(c.os, at(&c, "LOCK"), &first, &c.diag), c.diag.text);
    check_words(&c, KIS_ERR_RANGE, c.ops->lock(c.os, at(&c, "LOCK"), &second, &c.diag), "LOCK",
                "held");
    CHECK_INT(0, second.handle, "a failed lock leaves `out` alone");
    c.ops->close(c.os, first);
    CHECK_ERR(KIS_OK, c.ops->lock(c.os, at(&c, "LOCK"), &second, &c.diag), c.diag.text);
    c.ops->close(c.os, second);
    check_words(&c, KIS_ERR_NOT_FOUND, c.ops->lock(c.os, at(&c, "no/LOCK"), &second, &c.diag),
                "no/LOCK", "no folder");
    contract_end(&c);
}

TEST(the_disk_and_the_clocks_can_be_asked)
{
    contract c = contract_begin();
    uint64_t free_bytes = 0, total_bytes = 0;
    CHECK_ERR(KIS_OK,
              c.ops->disk_free(c.os, kis_str_from_c(c.dir), &free_bytes, &total_bytes, &c.diag),
              c.diag.text);
    CHECK(free_bytes > 0 && free_bytes <= total_bytes, "some room");
    check_words(&c, KIS_ERR_NOT_FOUND,
                c.ops->disk_free(c.os, at(&c, "no"), &free_bytes, &total_bytes, &c.diag), "no",
                "where");
    uint64_t before = c.ops->now_ns(c.os);
    CHECK(before > 0 && c.ops->now_ns(c.os) >= before, "the monotonic clock does not go back");
    CHECK(c.ops->now_unix_ns(c.os) > 1700000000000000000u, "the wall clock is in our days");
    contract_end(&c);
}

#define OS_CONTRACT                                                                      \
    RUN(what_is_written_is_read_back), RUN(reading_behind_the_end_says_more),            \
        RUN(open_modes_say_what_must_exist),                                             \
        RUN(what_is_appended_comes_behind_what_others_appended),                         \
        RUN(what_does_not_fit_is_not_appended), RUN(truncate_cuts_and_fills_with_zeros), \
        RUN(preallocate_grows_and_keeps), RUN(rename_replaces_and_remove_removes),       \
        RUN(folders_are_made_with_their_parents), RUN(a_lock_is_held_by_one),            \
        RUN(the_disk_and_the_clocks_can_be_asked)

#endif
