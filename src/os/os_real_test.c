/* os_real_test.c - the contract on the machine itself, and what only it has: errno, limits,
 * processes. */
#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>

#include "os/os_contract.h"

static kis_os *contract_open(char dir[256])
{
    const char *parent = getenv("TMPDIR");
    snprintf(dir, 256, "%s/kis_os_XXXXXX", parent ? parent : "/tmp");
    assert_non_null(mkdtemp(dir));
    return kis_os_real();
}

static void remove_entry(void *user, kis_str name);
static void remove_tree(const char *dir)
{
    kis_os_real()->ops->list_dir(kis_os_real(), kis_str_from_c(dir), remove_entry,
                                 (void *)(uintptr_t)dir, NULL);
    remove(dir);
}
static void remove_entry(void *user, kis_str name)
{
    char path[600];
    struct stat status;
    snprintf(path, sizeof(path), "%s/%.*s", (const char *)user, KIS_ARG(name));
    if (lstat(path, &status) == 0 && S_ISDIR(status.st_mode))
        remove_tree(path);
    else
        unlink(path);
}

static void contract_close(kis_os *os, const char *dir)
{
    (void)os;
    remove_tree(dir);
}

static void contract_limit(uint64_t bytes)
{
    struct rlimit limit;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = bytes ? bytes : limit.rlim_max;
    assert_int_equal(0, setrlimit(RLIMIT_FSIZE, &limit));
}

TEST(errors_carry_the_words_of_the_system)
{
    contract c = contract_begin();
    kis_file file = { 0 };
    c.ops->open(c.os, at(&c, "no"), KIS_OPEN_READ, &file, &c.diag);
    snprintf(c.text, sizeof(c.text), "cannot open '%s/no': no such file or directory", c.dir);
    assert_string_equal(c.text, c.diag.text);
    c.ops->open(c.os, KIS_STR("/dev/full"), KIS_OPEN_WRITE, &file, &c.diag);
    CHECK_ERR(KIS_ERR_FULL, c.ops->write_at(c.os, file, 0, "x", 1, &c.diag), "a full device");
    assert_string_equal("cannot write '/dev/full': no space left on device", c.diag.text);
    c.ops->close(c.os, file);
    file = open_it(&c, "deleted", KIS_OPEN_CREATE);
    c.ops->close(c.os, file);
    static char path[5000];
    memset(path, 'x', sizeof(path));
    CHECK_ERR(KIS_ERR_IO,
              c.ops->open(c.os, kis_str_of(path, sizeof(path)), KIS_OPEN_READ, &file, &c.diag),
              "too long");
    CHECK(strstr(c.diag.text, "is too long") != NULL, c.diag.text);
    CHECK_ERR(KIS_ERR_IO, c.ops->remove(c.os, KIS_STR("/tmp/a\0b"), &c.diag), "a NUL inside");
    CHECK(strstr(c.diag.text, "holds a NUL") != NULL, c.diag.text);
    contract_end(&c);
}

/* A file size limit makes the kernel write a part and then fail: what ENOSPC does on a small disk.
 */
TEST(a_short_write_is_an_error_after_its_part)
{
    contract c = contract_begin();
    struct rlimit before, small = { 1000, RLIM_INFINITY };
    kis_file file = open_it(&c, "f", KIS_OPEN_CREATE);
    static char bytes[5000];
    uint64_t size = 0;
    getrlimit(RLIMIT_FSIZE, &before);
    small.rlim_max = before.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(0, setrlimit(RLIMIT_FSIZE, &small));
    kis_err err = c.ops->write_at(c.os, file, 0, bytes, sizeof(bytes), &c.diag);
    setrlimit(RLIMIT_FSIZE, &before);
    CHECK_ERR(KIS_ERR_IO, err, c.diag.text);
    CHECK_ERR(KIS_OK, c.ops->size(c.os, file, &size, &c.diag), c.diag.text);
    CHECK_INT(1000, size, "the part that fitted");
    c.ops->close(c.os, file);
    contract_end(&c);
}

enum { WRITERS = 2, CUTS_MIN = 200, LINES_MIN = 2000 };

/* Lines that are whole or not there at all, numbered: "writer number xxx…\n". */
static size_t make_line(char out[256], int writer, int number)
{
    int head = snprintf(out, 256, "%d %d ", writer, number), len = head + 20 + number % 50;
    memset(out + head, 'x', (size_t)(len - head));
    out[len] = '\n';
    return (size_t)len + 1;
}

/* Its files may grow by a little more each time, and its lines do not fit: each leaves a part that
 * must be cut off again. */
static void append_what_does_not_fit(const char *path, const int *done)
{
    static char bytes[5000];
    struct rlimit limit;
    struct stat status;
    kis_os *os = kis_os_real();
    kis_file file;
    char byte;
    int cuts = 0;

    memset(bytes, '!', sizeof(bytes));
    if (os->ops->open(os, kis_str_from_c(path), KIS_OPEN_APPEND, &file, NULL) != KIS_OK)
        _exit(1);
    getrlimit(RLIMIT_FSIZE, &limit);
    while (read(done[0], &byte, 1) != 0 || cuts < CUTS_MIN) {
        if (stat(path, &status) != 0)
            _exit(2);
        limit.rlim_cur = (rlim_t)status.st_size + 4000;
        if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
            _exit(3);
        cuts += os->ops->append(os, file, bytes, sizeof(bytes), NULL) == KIS_ERR_FULL;
    }
    _exit(0);
}

static void append_lines(const char *path, int writer)
{
    char line[256];
    kis_os *os = kis_os_real();
    kis_file file;

    if (os->ops->open(os, kis_str_from_c(path), KIS_OPEN_APPEND, &file, NULL) != KIS_OK)
        _exit(1);
    uint64_t until = kis_now_ns() + 1000000000;
    for (int i = 0; i < LINES_MIN || kis_now_ns() < until; i++)
        if (os->ops->append(os, file, line, make_line(line, writer, i), NULL) != KIS_OK)
            _exit(2);
    _exit(0);
}

static void wait_for_child(pid_t child)
{
    int status = 0;
    assert_int_equal(child, waitpid(child, &status, 0));
    CHECK_INT(0, status, "a child's end");
}

TEST(a_part_that_is_cut_off_takes_no_line_of_another_process)
{
    contract c = contract_begin();
    char path[600];
    pid_t lines[WRITERS], parts;
    int done[2], next[WRITERS] = { 0 };

    signal(SIGXFSZ, SIG_IGN);
    snprintf(path, sizeof(path), "%s/f", c.dir);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    assert_int_equal(0, pipe2(done, O_NONBLOCK));
    parts = fork();
    if (parts == 0) {
        close(done[1]);
        append_what_does_not_fit(path, done);
    }
    for (int i = 0; i < WRITERS; i++) {
        lines[i] = fork();
        if (lines[i] == 0)
            append_lines(path, i);
    }
    for (int i = 0; i < WRITERS; i++)
        wait_for_child(lines[i]);
    close(done[1]);
    wait_for_child(parts);
    close(done[0]);
    FILE *file = fopen(path, "r");
    char got[8192], want[256];
    while (fgets(got, sizeof(got), file)) {
        int writer = got[0] - '0';
        CHECK(writer >= 0 && writer < WRITERS, "no part of what did not fit");
        want[make_line(want, writer, next[writer]++)] = '\0';
        assert_string_equal(want, got);
    }
    fclose(file);
    CHECK(next[0] >= LINES_MIN && next[1] >= LINES_MIN, "all lines");
    contract_end(&c);
}

TEST(a_lock_of_another_process_ends_with_it)
{
    contract c = contract_begin();
    int ready[2];
    char byte;
    assert_int_equal(0, pipe(ready));
    pid_t child = fork();
    if (child == 0) {
        kis_file file;
        bool has = c.ops->lock(c.os, at(&c, "LOCK"), &file, NULL) == KIS_OK;
        if (write(ready[1], has ? "y" : "n", 1) != 1)
            _exit(2);
        for (;;)
            pause();
    }
    assert_int_equal(1, read(ready[0], &byte, 1));
    CHECK_INT('y', byte, "the child has the lock");
    kis_file file = { 0 };
    check_words(&c, KIS_ERR_RANGE, c.ops->lock(c.os, at(&c, "LOCK"), &file, &c.diag), "LOCK",
                "held by the child");
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    CHECK_ERR(KIS_OK, c.ops->lock(c.os, at(&c, "LOCK"), &file, &c.diag), c.diag.text);
    c.ops->close(c.os, file);
    close(ready[0]);
    close(ready[1]);
    contract_end(&c);
}

TEST(files_are_private_and_not_inherited)
{
    contract c = contract_begin();
    struct stat status;
    CHECK_ERR(KIS_OK, c.ops->make_dir(c.os, at(&c, "d"), &c.diag), c.diag.text);
    kis_file file = open_it(&c, "d/f", KIS_OPEN_CREATE);
    snprintf(c.text, sizeof(c.text), "%s/d/f", c.dir);
    assert_int_equal(0, stat(c.text, &status));
    CHECK_INT(0600, status.st_mode & 0777, "a file");
    snprintf(c.text, sizeof(c.text), "%s/d", c.dir);
    assert_int_equal(0, stat(c.text, &status));
    CHECK_INT(0700, status.st_mode & 0777, "a folder");
    snprintf(c.text, sizeof(c.text), "test ! -e /proc/self/fd/%lld", (long long)file.handle - 1);
    CHECK_INT(0, system(c.text), "a program that is started does not have it");
    c.ops->close(c.os, file);
    contract_end(&c);
}

TEST(random_bytes_differ)
{
    uint8_t a[32] = { 0 }, b[32] = { 0 };
    static uint8_t large[100000];
    kis_random_bytes(a, sizeof(a));
    kis_random_bytes(b, sizeof(b));
    CHECK(memcmp(a, b, sizeof(a)) != 0, "two draws");
    kis_random_bytes(large, sizeof(large));
    unsigned ones = 0;
    for (size_t i = 0; i < sizeof(large); i++)
        ones += (unsigned)__builtin_popcount(large[i]);
    /* 400,000, deviation 447 */
    CHECK(ones > 397000 && ones < 403000, "half of the bits, to the end");
    kis_random_bytes(NULL, 0);
}

TEST_MAIN(OS_CONTRACT, RUN(errors_carry_the_words_of_the_system),
          RUN(a_short_write_is_an_error_after_its_part),
          RUN(a_part_that_is_cut_off_takes_no_line_of_another_process),
          RUN(a_lock_of_another_process_ends_with_it), RUN(files_are_private_and_not_inherited),
          RUN(random_bytes_differ))
