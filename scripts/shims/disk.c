/*
 * A disk that is slow, broken or about to lose its power, for LD_PRELOAD. Built with cc at test time (scripts/shims/build.ts). Environment:
 *
 *   SHIM_FOLDER      only files below this path are meant (all, when it is not set, for SHIM_SYNC_MS)
 *   SHIM_SYNC_MS     each fsync and fdatasync takes this much longer (from SHIM_ARM on)
 *   SHIM_FAIL        "sync:N:ERRNO[:once]" or "write:N:ERRNO[:once]": the Nth such call fails, and all after it unless "once"; ERRNO by number
 *   SHIM_FAIL_NAME   only for files whose path ends so ("petrel.db": after the start only the worker touches it)
 *   SHIM_READ_ONLY   opening for writing or creation fails with EROFS
 *   SHIM_ARM         counting for SHIM_FAIL begins once this file exists (a scenario's open sequence is not what is to fail)
 *   SHIM_MAIN_ABORT  a sync of the main thread after SHIM_ARM appeared ends the process with status 97
 *   SHIM_LOG         every write, truncation, sync, rename and removal below SHIM_FOLDER is appended to this file:
 *                    u8 kind, u16 length of path, path, u16 length of second path, second path, u64 offset, u32 length of data, data (little endian)
 *                    kinds: c created, w write, t truncate (offset: new length), s file synced, f folder about to be synced, r rename, l link, u unlink,
 *                    b beginning of a sync (its s follows when it is done; offset of both: the descriptor)
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int log_fd = -1;

static int real_open(const char *path, int flags, mode_t mode) {
  return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

static int path_of(int fd, char *path) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, PATH_MAX - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return 1;
}

static int below(const char *path) {
  const char *folder = getenv("SHIM_FOLDER");
  return folder == NULL || strncmp(path, folder, strlen(folder)) == 0;
}

/* The database and what SQLite keeps beside it; not the -shm, which is memory, nor files that only tests write. */
static int meant(int fd, char *path) {
  return path_of(fd, path) && below(path) && path[0] == '/' && strstr(path, "-shm") == NULL;
}

static int armed(void) {
  const char *arm = getenv("SHIM_ARM");
  return arm == NULL || access(arm, F_OK) == 0;
}

/* 0, or the errno with which this call is to fail. */
static int verdict(const char *kind, const char *path) {
  static long counts[2];
  const char *name = getenv("SHIM_FAIL_NAME");
  if (name != NULL && (strlen(path) < strlen(name) || strcmp(path + strlen(path) - strlen(name), name) != 0)) return 0;
  const char *plan = getenv("SHIM_FAIL");
  size_t length = strlen(kind);
  if (plan == NULL || strncmp(plan, kind, length) != 0 || plan[length] != ':' || !armed()) return 0;
  long nth = 0;
  int code = EIO;
  sscanf(plan + length + 1, "%ld:%d", &nth, &code);
  pthread_mutex_lock(&lock);
  long count = ++counts[kind[0] == 's'];
  pthread_mutex_unlock(&lock);
  return strstr(plan, ":once") != NULL ? (count == nth ? code : 0) : (count >= nth ? code : 0);
}

static void put(const void *data, size_t length) {
  const char *at = data;
  while (length > 0) {
    ssize_t done = syscall(SYS_write, log_fd, at, length);
    if (done <= 0) _exit(98);
    at += done;
    length -= (size_t)done;
  }
}

static void record(char kind, const char *path, const char *second, uint64_t offset, const void *data, uint32_t length) {
  const char *name = getenv("SHIM_LOG");
  if (name == NULL) return;
  if (log_fd < 0) log_fd = real_open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  uint16_t first_length = (uint16_t)strlen(path), second_length = (uint16_t)strlen(second);
  put(&kind, 1);
  put(&first_length, 2);
  put(path, first_length);
  put(&second_length, 2);
  put(second, second_length);
  put(&offset, 8);
  put(&length, 4);
  put(data, length);
}

static void pause_ms(void) {
  const char *text = getenv("SHIM_SYNC_MS");
  if (text == NULL || !armed()) return;
  long ms = atol(text);
  struct timespec delay = {ms / 1000, (ms % 1000) * 1000000};
  nanosleep(&delay, NULL);
}

static int sync_with(long number, int fd) {
  char path[PATH_MAX];
  if (!meant(fd, path)) return (int)syscall(number, fd);
  if (getenv("SHIM_MAIN_ABORT") != NULL && gettid() == getpid() && armed()) _exit(97);
  pause_ms();
  int code = verdict("sync", path);
  if (code != 0) {
    errno = code;
    return -1;
  }
  /* What is written while the sync runs may or may not be part of it: the record stands where it began. */
  struct stat stats;
  pthread_mutex_lock(&lock);
  record(fstat(fd, &stats) == 0 && S_ISDIR(stats.st_mode) ? 'f' : 'b', path, "", (uint64_t)fd, "", 0);
  pthread_mutex_unlock(&lock);
  int result = (int)syscall(number, fd);
  pthread_mutex_lock(&lock);
  record('s', path, "", (uint64_t)fd, "", 0);
  pthread_mutex_unlock(&lock);
  return result;
}

int fsync(int fd) { return sync_with(SYS_fsync, fd); }
int fdatasync(int fd) { return sync_with(SYS_fdatasync, fd); }

static ssize_t write_at(int fd, const void *data, size_t length, off64_t offset) {
  char path[PATH_MAX];
  if (!meant(fd, path)) return syscall(SYS_pwrite64, fd, data, length, offset);
  int code = verdict("write", path);
  if (code != 0) {
    errno = code;
    return -1;
  }
  pthread_mutex_lock(&lock);
  ssize_t result = syscall(SYS_pwrite64, fd, data, length, offset);
  if (result > 0) record('w', path, "", (uint64_t)offset, data, (uint32_t)result);
  pthread_mutex_unlock(&lock);
  return result;
}

ssize_t pwrite(int fd, const void *data, size_t length, off_t offset) { return write_at(fd, data, length, offset); }
ssize_t pwrite64(int fd, const void *data, size_t length, off64_t offset) { return write_at(fd, data, length, offset); }

ssize_t write(int fd, const void *data, size_t length) {
  char path[PATH_MAX];
  if (!meant(fd, path)) return syscall(SYS_write, fd, data, length);
  off64_t offset = lseek64(fd, 0, SEEK_CUR);
  if (offset < 0) return syscall(SYS_write, fd, data, length);
  ssize_t result = write_at(fd, data, length, offset);
  if (result > 0) lseek64(fd, result, SEEK_CUR);
  return result;
}

static int open_with(const char *path, int flags, mode_t mode) {
  if (getenv("SHIM_READ_ONLY") != NULL && below(path) && (flags & (O_WRONLY | O_RDWR | O_CREAT)) != 0) {
    errno = EROFS;
    return -1;
  }
  if ((flags & O_CREAT) == 0 || !below(path) || strstr(path, "-shm") != NULL) return real_open(path, flags, mode);
  pthread_mutex_lock(&lock);
  int made = access(path, F_OK) != 0;
  int fd = real_open(path, flags, mode);
  if (made && fd >= 0) record('c', path, "", 0, "", 0);
  pthread_mutex_unlock(&lock);
  return fd;
}

#define MODE_OF(flags, mode) \
  mode_t mode = 0; \
  if (((flags) & (O_CREAT | O_TMPFILE)) != 0) { \
    va_list rest; \
    va_start(rest, flags); \
    mode = va_arg(rest, mode_t); \
    va_end(rest); \
  }

int open(const char *path, int flags, ...) {
  MODE_OF(flags, mode)
  return open_with(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
  MODE_OF(flags, mode)
  return open_with(path, flags, mode);
}

static int truncate_to(int fd, off64_t length) {
  char path[PATH_MAX];
  int logged = meant(fd, path);
  pthread_mutex_lock(&lock);
  int result = (int)syscall(SYS_ftruncate, fd, length);
  if (logged && result == 0) record('t', path, "", (uint64_t)length, "", 0);
  pthread_mutex_unlock(&lock);
  return result;
}

int ftruncate(int fd, off_t length) { return truncate_to(fd, length); }
int ftruncate64(int fd, off64_t length) { return truncate_to(fd, length); }

int rename(const char *from, const char *to) {
  pthread_mutex_lock(&lock);
  int result = (int)syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to);
  if (result == 0 && below(from)) record('r', from, to, 0, "", 0);
  pthread_mutex_unlock(&lock);
  return result;
}

int link(const char *from, const char *to) {
  pthread_mutex_lock(&lock);
  int result = (int)syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0);
  if (result == 0 && below(from)) record('l', from, to, 0, "", 0);
  pthread_mutex_unlock(&lock);
  return result;
}

int unlink(const char *path) {
  pthread_mutex_lock(&lock);
  int result = (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
  if (result == 0 && below(path) && strstr(path, "-shm") == NULL) record('u', path, "", 0, "", 0);
  pthread_mutex_unlock(&lock);
  return result;
}
