#include <gmock/gmock.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <fstream>

#include "faults/job.h"
#include "train/checkpoint.h"
#include "train/toy_run.h"

// Whatever happens to a rank, the job ends within the deadline, one line says which rank it was and where it stood,
// nothing is left over, and the run goes on with --resume.
namespace ingot {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ContainsRegex;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr int kFailed = 1, kRefused = 2, kInterrupted = 130, kKilled = 128 + SIGKILL;
constexpr double kSoon = 8;  // seconds that the end of a job may take on a busy machine, beside a deadline

/// What the ranks said, without what they say of a sound run.
std::vector<std::string> complaints(const std::string& err) {
  std::vector<std::string> out;
  std::istringstream lines(err);
  for (std::string line; std::getline(lines, line);)
    if (!line.starts_with("ingot: epoch ") && !line.starts_with("ingot: deterministic: ")) out.push_back(line);
  return out;
}

/// "rank 1 (pid 4711 on HOST)"
std::string name_of(int rank, int pid) {
  char host[256]{};
  ::gethostname(host, sizeof host - 1);
  return "rank " + std::to_string(rank) + " \\(pid " + std::to_string(pid) + " on " + host + "\\)";
}

const std::vector<std::string> kDeadline{"--deadline", "5"};

class Faults : public ToyRunTest {
 protected:
  /// Of the toy run, which lasts for minutes unless `epochs` says otherwise.
  std::vector<std::string> train(int ranks, const std::vector<std::string>& more = {}, int epochs = 9000) const {
    std::vector<std::string> words{"-n",    std::to_string(ranks), "train", root / "config.yaml",
                                   "--out", root / "run",          "--set", "epochs=" + std::to_string(epochs)};
    words.insert(words.end(), more.begin(), more.end());
    if (std::count(more.begin(), more.end(), "--deadline") == 0) words.insert(words.end(), {"--deadline", "100"});
    return words;
  }

  /// The job has ended in time, with one line of complaint, which is given back.
  std::string ended(Job& job, int code, double within) {
    const Finished result = job.finish();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - hurt_at;
    EXPECT_EQ(result.code, code) << result.err;
    EXPECT_LT(took.count(), within) << result.err;
    EXPECT_THAT(job.left_over(), IsEmpty());
    std::vector<std::string> said = complaints(result.err);
    // launch.sh's word on the signal, which mpirun passes on.
    if (!said.empty() && said.back().starts_with("launch.sh: SIG")) said.pop_back();
    EXPECT_EQ(said.size(), 1u) << result.err;
    return said.empty() ? "" : said.front();
  }
  void hurt(int pid, int signal) {
    hurt_at = std::chrono::steady_clock::now();
    ::kill(pid, signal);
  }

  /// The last checkpoint is whole, and the run goes on from it.
  void expect_resumes() {
    const Checkpoint last = load_checkpoint(root / "run/last.safetensors");
    EXPECT_GT(last.loop.epoch, 0);
    load_checkpoint(root / "run/best.safetensors");
    Job job(train(2, {"--resume"}));
    EXPECT_TRUE(job.wait_for("epoch " + padded(last.loop.epoch + 1) + "/9000"));
    job.signal(SIGINT);
    const Finished stopped = job.finish();
    EXPECT_EQ(stopped.code, kInterrupted) << stopped.err;
    EXPECT_THAT(stopped.err, HasSubstr("saved; go on with --resume"));
    EXPECT_THAT(temporaries(), IsEmpty());
  }
  static std::string padded(int64_t epoch) {
    const std::string text = std::to_string(epoch);
    return std::string(4 - text.size(), ' ') + text;
  }
  std::vector<std::string> temporaries() const {
    std::vector<std::string> out;
    for (const auto& entry : fs::directory_iterator(root / "run"))
      if (entry.path().filename().string().find(".tmp") != std::string::npos) out.push_back(entry.path());
    return out;
  }

  std::chrono::steady_clock::time_point hurt_at = std::chrono::steady_clock::now();
};

TEST_F(Faults, AKilledRankIsNamed) {
  Job job(train(3));
  ASSERT_TRUE(job.wait_for("epoch    3/9000"));
  const int pid = job.pid_of_rank(1);
  hurt(pid, SIGKILL);
  EXPECT_THAT(ended(job, kKilled, kSoon),
              ContainsRegex("^ingot: warning: " + name_of(1, pid) + " is gone in step [0-9]+.*: the job ends$"));
  expect_resumes();
}

TEST_F(Faults, TheFirstRankMayBeTheOne) {
  Job job(train(3));
  ASSERT_TRUE(job.wait_for("epoch    3/9000"));
  const int pid = job.pid_of_rank(0);
  hurt(pid, SIGKILL);
  EXPECT_THAT(ended(job, kKilled, kSoon), ContainsRegex(name_of(0, pid) + " is gone in step [0-9]+"));
}

/// HANGING_FSYNC_AT 2: the second epoch's checkpoint.
const std::vector<std::string> kHangingDisk{"LD_PRELOAD=" HANGING_FSYNC_LIBRARY, "HANGING_FSYNC=last.safetensors",
                                            "HANGING_FSYNC_AT=2"};

TEST_F(Faults, AKillWhileACheckpointIsWrittenLeavesTheOneBefore) {
  Job job(train(2), kHangingDisk);
  ASSERT_TRUE(job.wait_for("epoch    1/9000"));
  while (temporaries().empty()) std::this_thread::yield();
  std::this_thread::sleep_for(std::chrono::milliseconds(300));  // all but fsync takes less
  const int pid = job.pid_of_rank(0);
  hurt(pid, SIGKILL);
  EXPECT_THAT(ended(job, kKilled, kSoon),
              ContainsRegex(name_of(0, pid) + " is gone in step 14, writing last.safetensors: the job ends"));
  EXPECT_EQ(temporaries().size(), 1u);
  EXPECT_EQ(load_checkpoint(root / "run/last.safetensors").loop.epoch, 1);
  expect_resumes();
}

TEST_F(Faults, ADiskThatHangsIsNamed) {
  Job job(train(2, kDeadline), kHangingDisk);
  ASSERT_TRUE(job.wait_for("epoch    1/9000"));
  const int pid = job.pid_of_rank(0);
  hurt_at = std::chrono::steady_clock::now();
  EXPECT_THAT(ended(job, kFailed, 5 + kSoon),
              ContainsRegex("rank 1 waited 5 s for .* in step 15.*: " + name_of(0, pid) +
                            " runs in step 14, writing last.safetensors"));
}

TEST_F(Faults, AStoppedRankIsNamed) {
  Job job(train(3, kDeadline));
  ASSERT_TRUE(job.wait_for("epoch    3/9000"));
  const int pid = job.pid_of_rank(1);
  hurt(pid, SIGSTOP);
  EXPECT_THAT(
      ended(job, kFailed, 5 + kSoon),
      ContainsRegex("rank 0 waited 5 s for .* in step [0-9]+.*: " + name_of(1, pid) + " is stopped in step [0-9]+"));
}

TEST_F(Faults, AFullDiskEndsTheJob) {
  fs::create_directories(root / "run");
  if (::mount("tmpfs", (root / "run").c_str(), "tmpfs", 0, "size=400k") != 0) GTEST_SKIP() << "mounts are not allowed";
  {
    Job job(train(2));
    ASSERT_TRUE(job.wait_for("epoch    2/9000"));
    hurt_at = std::chrono::steady_clock::now();
    std::ofstream(root / "run/ballast", std::ios::binary) << std::string(1 << 20, 'x');
    EXPECT_THAT(
        ended(job, kFailed, kSoon),
        ContainsRegex("^ingot: rank 0 in step [0-9]+: .*/run/.*: cannot write: (No space left|the disk is full)"));
    fs::remove(root / "run/ballast");
    expect_resumes();
  }
  ::umount((root / "run").c_str());
}

TEST_F(Faults, AnImageThatOneRankCannotReadEndsTheJob) {
  write_toy_folder(root / "photos");
  write_text(root / "config.yaml", toy_folder_config(root / "photos"));
  for (const auto& entry : fs::directory_iterator(root / "photos/train/green")) {
    write_text(entry.path(), "no image");
    break;
  }
  Job job(train(2));
  EXPECT_THAT(ended(job, kFailed, kSoon + kSoon),
              ContainsRegex("^ingot: rank [01] in step [0-9]+: .*photos/train/green/"));
}

TEST_F(Faults, ALossThatIsNotFiniteIsToldOnce) {
  Job job(train(3, {"--set", "optimizer.lr=1e30", "--set", "clip_grad_norm=null", "--set", "scheduler=[]"}));
  EXPECT_THAT(ended(job, kFailed, kSoon + kSoon),
              AllOf(ContainsRegex("^ingot: rank 0 in step [0-9]+: the loss is -?(nan|inf) in step [0-9]+ "),
                    HasSubstr("comes out of [")));
}

TEST_F(Faults, AnotherConfigOnOneRankIsRefused) {
  write_text(root / "other.yaml", read_text(root / "config.yaml") + "seed: 3\n");
  Job job({"-n", "2", "train", root / "config.yaml", "--out", root / "run", ":", "-n", "1", INGOT_BINARY, "train",
           root / "other.yaml", "--out", root / "run"});
  EXPECT_THAT(ended(job, kRefused, kSoon + kSoon),
              AllOf(HasSubstr("rank 2 has another config: 'seed: 3' where rank 0 has 'seed: 0'")));
  EXPECT_FALSE(fs::exists(root / "run"));
}

TEST_F(Faults, AnotherBuildOnOneRankIsRefused) {
  fs::copy_file(INGOT_BINARY, root / "ingot");
  std::ofstream(root / "ingot", std::ios::app) << 'x';
  Job job({"-n", "1", "train", root / "config.yaml", "--out", root / "run", ":", "-n", "1", root / "ingot", "train",
           root / "config.yaml", "--out", root / "run"});
  EXPECT_THAT(ended(job, kRefused, kSoon + kSoon), HasSubstr("rank 1 has another program: "));
}

/// Rank 1 runs `fault` in place of ingot, or before it.
std::string with_fault(const fs::path& script, const std::string& fault) {
  write_text(script, "#!/bin/sh\n[ \"$OMPI_COMM_WORLD_RANK\" != 1 ] || " + fault + "\nexec " INGOT_BINARY " \"$@\"\n");
  fs::permissions(script, fs::perms::owner_all);
  return script;
}

TEST_F(Faults, ARankMayDieBeforeItStarts) {
  std::vector<std::string> words = train(3);
  words[2] = with_fault(root / "program", "kill -KILL $$");
  words.insert(words.begin() + 3, "train");
  Job job(words);
  const Finished result = job.finish();
  EXPECT_EQ(result.code, kKilled);
  EXPECT_THAT(complaints(result.err), ElementsAre("launch.sh: SIGKILL ended a rank"));
  EXPECT_THAT(job.left_over(), IsEmpty());
}

TEST_F(Faults, ARankThatDoesNotStartEndsTheJob) {
  std::vector<std::string> words = train(3, kDeadline);
  words[2] = with_fault(root / "program", "kill -STOP $$");
  words.insert(words.begin() + 3, "train");
  Job job(words);
  EXPECT_EQ(ended(job, kFailed, 10 + kSoon),
            "ingot: warning: rank 0 waited 10 s for the other ranks to start: the job ends");
}

TEST_F(Faults, ControlCSavesAndTheBitsAreThoseOfAnUndisturbedRun) {
  const std::vector<std::string> deterministic{"--set", "distributed.deterministic=true"};
  std::vector<std::string> whole = train(1, deterministic, 16);
  whole[5] = root / "whole";
  ASSERT_EQ(Job(whole).finish().code, 0);
  Job job(train(2, deterministic, 16));
  ASSERT_TRUE(job.wait_for("epoch  3/16"));
  hurt_at = std::chrono::steady_clock::now();
  job.signal(SIGINT);
  EXPECT_THAT(ended(job, kInterrupted, kSoon),
              ContainsRegex("interrupted after step [0-9]+, saved; go on with --resume"));
  std::vector<std::string> rest = train(2, deterministic, 16);
  rest.emplace_back("--resume");
  EXPECT_EQ(Job(rest).finish().code, 0);
  for (const char* name : {"last.safetensors", "best.safetensors"})
    EXPECT_EQ(read_text(root / "run" / name), read_text(root / "whole" / name)) << name;
}

TEST_F(Faults, RanksEndWithTheirLauncher) {
  for (const bool script : {true, false}) {
    Job job(train(2, {"--overwrite"}));
    ASSERT_TRUE(job.wait_for("epoch    2/9000"));
    if (script)
      job.signal(SIGKILL);
    else
      ::kill(job.pid_of_mpirun(), SIGKILL);
    EXPECT_NE(job.finish().code, 0);
    EXPECT_THAT(job.left_over(), IsEmpty());
  }
}

/// A rank of a program that uses the library, in step 7 of a layer: tests/faults/faulty_rank.cpp.
std::string told_by_the_others(const std::string& fault, int code, double within,
                               const std::string& program = FAULTY_RANK) {
  const auto begin = std::chrono::steady_clock::now();
  Job job({"-n", "3", program, fault});
  const Finished result = job.finish();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  EXPECT_EQ(result.code, code) << result.err;
  EXPECT_LT(took.count(), within) << result.err;
  EXPECT_THAT(job.left_over(), IsEmpty());
  EXPECT_EQ(complaints(result.err).size(), 1u) << result.err;
  return result.err;
}

constexpr double kFaultyDeadline = 2;  // of faulty_rank
const std::string kRankOne = "rank 1 \\(pid [0-9]+ on [^ ]+\\) ";

TEST(FaultyRank, StoppedInALayer) {
  EXPECT_THAT(told_by_the_others("stop", 1, kFaultyDeadline + kSoon),
              ContainsRegex("rank 0 waited 2 s for all_reduce of 4 f32 in step 7, layer2.bn1: " + kRankOne +
                            "is stopped in step 7, layer2.bn1"));
}

TEST(FaultyRank, InAnEndlessLoop) {
  EXPECT_THAT(told_by_the_others("loop", 1, kFaultyDeadline + kSoon),
              ContainsRegex("rank 0 waited 2 s for all_reduce of 4 f32 in step 7, layer2.bn1: " + kRankOne +
                            "runs in step 7, layer2.bn1"));
}

TEST(FaultyRank, ThatIsStoppedIsNamedBeforeOthers) {
  EXPECT_THAT(
      told_by_the_others("loop_and_stop", 1, kFaultyDeadline + kSoon),
      ContainsRegex("rank 0 waited 2 s for all_reduce of 4 f32 in step 7, layer2.bn1: rank 2 [^;]* is stopped in "
                    "step 7, layer2.bn1; " +
                    kRankOne + "runs in step 7, layer2.bn1"));
}

TEST(FaultyRank, DoesNotJoinAGroup) {
  EXPECT_THAT(told_by_the_others("no_group", 1, kFaultyDeadline + kSoon),
              ContainsRegex("waited 2 s for a new communicator: " + kRankOne + "runs in step 7, layer2.bn1"));
}

TEST(FaultyRank, LeavesInSilence) {
  EXPECT_THAT(told_by_the_others("exit", 1, kSoon), ContainsRegex(kRankOne + "is gone in step 7, layer2.bn1: the job"));
}

TEST(FaultyRank, Throws) { EXPECT_EQ(told_by_the_others("throw", 1, kSoon), "rank 1: out of paper\n"); }

/// As under Slurm, where ranks do not end with one of them unless it asks for it.
TEST(FaultyRank, ThrowsUnderAnotherLauncherThanMpirun) {
  const fs::path folder = fresh_folder("launcher");
  write_text(folder / "program", "#!/bin/sh\nexec env -u OMPI_COMM_WORLD_SIZE SLURM_NTASKS=3 " FAULTY_RANK " \"$@\"\n");
  fs::permissions(folder / "program", fs::perms::owner_all);
  EXPECT_EQ(told_by_the_others("throw", 1, kSoon, folder / "program"), "rank 1: out of paper\n");
  fs::remove_all(folder);
}

TEST(FaultyRank, CallsAnotherCollective) {
  EXPECT_EQ(told_by_the_others("other", 1, kSoon),
            "rank 0: rank 0 calls all_reduce of 4 f32 in layer2.bn1, rank 1 calls all_reduce of 2 f32 in layer2.bn1\n");
}

}  // namespace
}  // namespace ingot
