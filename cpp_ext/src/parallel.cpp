#include "edge_pose/parallel.hpp"

#include <pthread.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>

namespace edge_pose {
namespace {

// A frame's work lasts a fraction of a millisecond and waking a sleeping thread takes some 30 us of that. So a thread
// that ran out of work looks for more for a while before it sleeps: at first closely, then giving way to whoever
// else wants its core. At 30 frames a second that is at most 0.6 % of a core.
constexpr std::chrono::microseconds CLOSELY{20}, PATIENTLY{200};

inline void relax() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

template <typename Condition>
void spin_until(Condition&& condition) noexcept {
  using Clock = std::chrono::steady_clock;
  for (const auto start = Clock::now(); Clock::now() - start < CLOSELY;) {
    for (int i = 0; i < 16; ++i) {
      if (condition()) return;
      relax();
    }
  }
  for (const auto start = Clock::now(); !condition() && Clock::now() - start < PATIENTLY;) std::this_thread::yield();
}

// One parallel_for, on its caller's stack. `wanted`, `next_job` and `failure` are guarded by the pool's mutex.
struct Job {
  void (*body)(void*, int);
  void* context;
  int tasks;
  int wanted;  // helpers that may still join
  std::atomic<int> next_task{0};
  std::atomic<int> helpers{0};  // helpers inside
  Job* next_job = nullptr;
  std::exception_ptr failure;
};

class Pool {
 public:
  void run(Job& job) {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      job.wanted = hire(job.wanted);
      job.next_job = jobs_;
      jobs_ = &job;
      open_.fetch_add(job.wanted, std::memory_order_release);
    }
    wake_.notify_all();
    work(job);
    {
      std::lock_guard<std::mutex> lock(mutex_);
      for (Job** link = &jobs_; *link; link = &(*link)->next_job) {
        if (*link == &job) {
          *link = job.next_job;
          break;
        }
      }
      open_.fetch_sub(job.wanted, std::memory_order_relaxed);
      job.wanted = 0;
    }
    spin_until([&] { return job.helpers.load(std::memory_order_acquire) == 0; });
    std::unique_lock<std::mutex> lock(mutex_);
    done_.wait(lock, [&] { return job.helpers.load(std::memory_order_acquire) == 0; });
    if (job.failure) std::rethrow_exception(job.failure);
  }

 private:
  // Starts helpers until there are `count`; returns how many there are, at most that.
  int hire(int count) noexcept {
    while (hired_ < count) {
      try {
        std::thread(&Pool::help, this).detach();
      } catch (const std::system_error&) {
        break;  // no more threads to be had: the caller does the work
      }
      ++hired_;
    }
    return hired_ < count ? hired_ : count;
  }

  void work(Job& job) noexcept {
    try {
      for (;;) {
        const int task = job.next_task.fetch_add(1, std::memory_order_relaxed);
        if (task >= job.tasks) return;
        job.body(job.context, task);
      }
    } catch (...) {
      job.next_task.store(job.tasks, std::memory_order_relaxed);
      std::lock_guard<std::mutex> lock(mutex_);
      if (!job.failure) job.failure = std::current_exception();
    }
  }

  void help() {
    for (;;) {
      spin_until([&] { return open_.load(std::memory_order_acquire) > 0; });
      std::unique_lock<std::mutex> lock(mutex_);
      Job* job = nullptr;
      wake_.wait(lock, [&] { return (job = open_job()) != nullptr; });
      --job->wanted;
      open_.fetch_sub(1, std::memory_order_relaxed);
      job->helpers.fetch_add(1, std::memory_order_relaxed);
      lock.unlock();
      work(*job);
      // The job dies with its caller as soon as helpers is 0, so the count falls under the lock that the caller
      // takes last, and the job is not touched afterwards.
      lock.lock();
      const bool last = job->helpers.fetch_sub(1, std::memory_order_release) == 1;
      lock.unlock();
      if (last) done_.notify_all();
    }
  }

  Job* open_job() const noexcept {
    for (Job* job = jobs_; job; job = job->next_job) {
      if (job->wanted > 0) return job;
    }
    return nullptr;
  }

  std::mutex mutex_;
  std::condition_variable wake_, done_;
  std::atomic<int> open_{0};  // sum of wanted, to be looked at without the lock
  Job* jobs_ = nullptr;
  int hired_ = 0;
};

std::atomic<int> global_threads{1};
std::atomic<Pool*> the_pool{nullptr};

// Never destroyed: helpers may be in it while the process ends. A forked child has no helpers and perhaps a locked
// mutex, so it drops the pointer and makes another.
Pool& pool() {
  Pool* current = the_pool.load(std::memory_order_acquire);
  if (current) return *current;
  static const int registered = pthread_atfork(nullptr, nullptr, [] { the_pool.store(nullptr); });
  (void)registered;
  auto* fresh = new Pool;
  if (the_pool.compare_exchange_strong(current, fresh, std::memory_order_acq_rel)) return *fresh;
  delete fresh;
  return *current;
}

}  // namespace

int get_threads() noexcept { return global_threads.load(std::memory_order_relaxed); }

void set_threads(int threads) noexcept {
  const int clamped = threads < 1 ? 1 : threads > MAX_THREADS ? MAX_THREADS : threads;
  global_threads.store(clamped, std::memory_order_relaxed);
}

void detail::parallel_run(int tasks, int threads, void (*body)(void*, int), void* context) {
  if (threads > MAX_THREADS) threads = MAX_THREADS;
  if (tasks < 2 || threads < 2) {
    for (int task = 0; task < tasks; ++task) body(context, task);
    return;
  }
  Job job{body, context, tasks, (threads < tasks ? threads : tasks) - 1, {}, {}, nullptr, nullptr};
  pool().run(job);
}

}  // namespace edge_pose
