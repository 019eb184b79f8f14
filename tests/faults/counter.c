/* Counts the calls that a process makes on files below one folder, and lets one of them go wrong.
 *
 * Preloaded into a real process; nothing happens until counter_arm().  Counted are the calls below
 * the folder that make, write, sync, rename or remove, and where calls are to fail also those that
 * open and close; of a run of writes to one file every sixteenth.  (A process that is killed before
 * it opens or closes a file leaves on the disk what it would leave before its next change.)
 * At the call `at` (1, 2, 3, ...)
 *   KILL   the process gets SIGKILL before the call,
 *   TORN   a write writes half of its bytes first; other calls are as in KILL,
 *   FAIL   the call fails with `code`; close() closes first, as Linux does,
 *   FULL   this call and all later ones that need room or change something fail with `code`,
 *   STOP   the process gets SIGSTOP before the call,
 *   SEND   the process gets the signal `code` before the call, and goes on if it can.
 * counter_locks(0) makes flock() succeed without locking, as some network file systems do.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

enum { OFF, COUNT, COUNT_ALL, KILL, TORN, FAIL, FULL, STOP, SEND };
enum { READS, CHANGES }; /* whether a call changes something on the disk */

static char root[PATH_MAX];
static size_t root_length;
static volatile int mode = OFF;
static long at_call;
static int with_code, locks_work = 1, trace_fd = -1;
static atomic_long calls;
static int last_fd = -1, writes_in_a_row;

static int below(const char *path) {
    return strncmp(path, root, root_length) == 0 &&
           (path[root_length] == '/' || path[root_length] == 0);
}

static int fd_path(int fd, char *found) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, found, PATH_MAX - 1);
    if (length <= 0) return 0;
    found[length] = 0;
    return 1;
}

static int ours_fd(int fd) {
    char found[PATH_MAX];
    return mode != OFF && fd_path(fd, found) && below(found);
}

static int ours(int dir, const char *path) {
    if (mode == OFF || path == NULL) return 0;
    if (path[0] == '/') return below(path);
    if (dir != AT_FDCWD) return ours_fd(dir);
    char here[PATH_MAX];
    return getcwd(here, sizeof here) != NULL && below(here);
}

static void note(long number, const char *call, const char *path) {
    char line[PATH_MAX + 64];
    if (trace_fd < 0) return;
    int length = snprintf(line, sizeof line, "%ld %s %s\n", number, call, path ? path : "");
    syscall(SYS_write, trace_fd, line, length);
}

/* 1: the call is to fail, errno is set; 2: a write is to be torn; 0: go on. */
static int step(const char *call, int changes, const char *path, int fd) {
    int is_write = fd >= 0, again = is_write && fd == last_fd;
    if (changes == READS && mode != FAIL && mode != COUNT_ALL) return 0;
    last_fd = fd;
    writes_in_a_row = again ? writes_in_a_row + 1 : 0;
    if (writes_in_a_row % 16) { /* not counted; a disk that is full stays so */
        if (mode != FULL || atomic_load(&calls) < at_call) return 0;
        errno = with_code;
        return 1;
    }
    long number = atomic_fetch_add(&calls, 1) + 1;
    note(number, call, path);
    if (mode == FULL && number >= at_call && changes == CHANGES) {
        errno = with_code;
        return 1;
    }
    if (number != at_call || mode <= COUNT_ALL || mode == FULL) return 0;
    if (mode == STOP) {
        kill(getpid(), SIGSTOP);
        return 0;
    }
    if (mode == SEND) {
        kill(getpid(), with_code);
        return 0;
    }
    if (mode == FAIL) {
        errno = with_code;
        return 1;
    }
    if (mode == TORN && is_write) return 2;
    kill(getpid(), SIGKILL);
    return 0;
}

void counter_arm(const char *folder, int how, long at, int code, int trace) {
    strncpy(root, folder, sizeof root - 1);
    root_length = strlen(root);
    at_call = at;
    with_code = code;
    trace_fd = trace;
    atomic_store(&calls, 0);
    last_fd = -1;
    mode = how;
}

long counter_calls(void) { return atomic_load(&calls); }
void counter_locks(int work) { locks_work = work; }

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int opens(int dir, const char *path, int flags, mode_t bits) {
    static int (*real)(int, const char *, int, ...);
    if (!real) real = REAL(openat);
    int changes = flags & O_CREAT ? CHANGES : READS;
    if (ours(dir, path) && step("open", changes, path, -1)) return -1;
    return real(dir, path, flags, bits);
}

#define BITS(flags)                                                                                \
    mode_t bits = 0;                                                                               \
    if ((flags) & (O_CREAT | O_TMPFILE)) {                                                         \
        va_list more;                                                                              \
        va_start(more, flags);                                                                     \
        bits = va_arg(more, mode_t);                                                               \
        va_end(more);                                                                              \
    }

int open(const char *path, int flags, ...) { BITS(flags) return opens(AT_FDCWD, path, flags, bits); }
int open64(const char *path, int flags, ...) { BITS(flags) return opens(AT_FDCWD, path, flags, bits); }
int openat(int dir, const char *path, int flags, ...) { BITS(flags) return opens(dir, path, flags, bits); }
int openat64(int dir, const char *path, int flags, ...) { BITS(flags) return opens(dir, path, flags, bits); }

#define WRITES(name, declared, given, size)                                                        \
    ssize_t name declared {                                                                        \
        static ssize_t(*real) declared;                                                            \
        if (!real) real = REAL(name);                                                              \
        if (ours_fd(fd)) {                                                                         \
            int what = step(#name, CHANGES, NULL, fd);                                              \
            if (what == 1) return -1;                                                              \
            if (what == 2) {                                                                       \
                count = count / 2;                                                                 \
                real given;                                                                        \
                kill(getpid(), SIGKILL);                                                           \
            }                                                                                      \
        }                                                                                          \
        return real given;                                                                         \
    }
WRITES(write, (int fd, const void *data, size_t count), (fd, data, count), count)
WRITES(pwrite, (int fd, const void *data, size_t count, off_t where), (fd, data, count, where), count)
WRITES(pwrite64, (int fd, const void *data, size_t count, off64_t where), (fd, data, count, where), count)
WRITES(sendfile64, (int fd, int from, off64_t *where, size_t count), (fd, from, where, count), count)

#define ON_FD(name, declared, given, changes)                                                      \
    int name declared {                                                                            \
        static int(*real) declared;                                                                \
        if (!real) real = REAL(name);                                                              \
        if (ours_fd(fd) && step(#name, changes, NULL, -1)) return -1;                               \
        return real given;                                                                         \
    }
ON_FD(fsync, (int fd), (fd), CHANGES)
ON_FD(fdatasync, (int fd), (fd), CHANGES)
ON_FD(ftruncate, (int fd, off_t size), (fd, size), CHANGES)
ON_FD(ftruncate64, (int fd, off64_t size), (fd, size), CHANGES)

int close(int fd) {
    static int (*real)(int);
    if (!real) real = REAL(close);
    if (ours_fd(fd) && step("close", READS, NULL, -1)) {
        int code = errno;
        real(fd);
        errno = code;
        return -1;
    }
    return real(fd);
}

#define ON_PATH(name, declared, given, dir, path)                                                  \
    int name declared {                                                                            \
        static int(*real) declared;                                                                \
        if (!real) real = REAL(name);                                                              \
        if (ours(dir, path) && step(#name, CHANGES, path, -1)) return -1;                           \
        return real given;                                                                         \
    }
ON_PATH(mkdir, (const char *path, mode_t bits), (path, bits), AT_FDCWD, path)
ON_PATH(mkdirat, (int dir, const char *path, mode_t bits), (dir, path, bits), dir, path)
ON_PATH(unlink, (const char *path), (path), AT_FDCWD, path)
ON_PATH(unlinkat, (int dir, const char *path, int flags), (dir, path, flags), dir, path)
ON_PATH(rmdir, (const char *path), (path), AT_FDCWD, path)
ON_PATH(rename, (const char *old, const char *path), (old, path), AT_FDCWD, path)
ON_PATH(renameat, (int from, const char *old, int dir, const char *path), (from, old, dir, path), dir, path)
ON_PATH(renameat2, (int from, const char *old, int dir, const char *path, unsigned int flags),
        (from, old, dir, path, flags), dir, path)
ON_PATH(link, (const char *old, const char *path), (old, path), AT_FDCWD, path)

int flock(int fd, int operation) {
    static int (*real)(int, int);
    if (!real) real = REAL(flock);
    return locks_work ? real(fd, operation) : 0;
}
