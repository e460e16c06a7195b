/* Shows a process another time of day: loaded before the C library, it adds the seconds that the file CLOCK_SHIFT_FILE
 * holds, a 64-bit integer, to what CLOCK_REALTIME says. Clocks that nobody can set stay as they are. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static int (*real_clock_gettime)(clockid_t, struct timespec *);
static const volatile int64_t *shift_s;

__attribute__((constructor)) static void prepare(void) {
  real_clock_gettime = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
  int file = open(getenv("CLOCK_SHIFT_FILE"), O_RDONLY | O_CLOEXEC);
  void *mapped = mmap(NULL, sizeof *shift_s, PROT_READ, MAP_SHARED, file, 0);
  if (file < 0 || mapped == MAP_FAILED) abort();
  shift_s = mapped;
  close(file);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
  if (real_clock_gettime == NULL) prepare();
  int result = real_clock_gettime(clock, now);
  if (result == 0 && clock == CLOCK_REALTIME) now->tv_sec += *shift_s;
  return result;
}

int gettimeofday(struct timeval *now, void *zone) {
  (void)zone;
  struct timespec exact;
  int result = clock_gettime(CLOCK_REALTIME, &exact);
  now->tv_sec = exact.tv_sec;
  now->tv_usec = exact.tv_nsec / 1000;
  return result;
}

time_t time(time_t *copy) {
  struct timespec exact;
  clock_gettime(CLOCK_REALTIME, &exact);
  if (copy != NULL) *copy = exact.tv_sec;
  return exact.tv_sec;
}
