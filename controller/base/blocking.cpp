#include "controller/base/blocking.hpp"

#include <pthread.h>

namespace gantry {

ThreadPool::ThreadPool(std::string name, std::size_t threads_max) : name_(std::move(name)), threads_max_(threads_max) {}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (auto& thread : threads_) thread.join();
}

void ThreadPool::submit(std::move_only_function<void()> fn) {
  std::lock_guard lock(mutex_);
  queue_.push_back(std::move(fn));
  if (idle_ < queue_.size() && threads_.size() < threads_max_) threads_.emplace_back([this] { work(); });
  wake_.notify_one();
}

void ThreadPool::work() {
  pthread_setname_np(pthread_self(), name_.substr(0, 15).c_str());
  std::unique_lock lock(mutex_);
  while (true) {
    ++idle_;
    wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    --idle_;
    if (queue_.empty()) return;
    auto fn = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    fn();
    fn = nullptr;
    lock.lock();
  }
}

}  // namespace gantry
