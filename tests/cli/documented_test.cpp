#include <gmock/gmock.h>

#include <cstring>
#include <regex>
#include <set>

#include "cli/command.h"
#include "ingot/dataset.h"
#include "ingot/image_io.h"
#include "ingot/io.h"
#include "jpeg_file.h"

// What the documentation and --help tell a reader to type is typed here, on toy data.
namespace ingot {
namespace {

const fs::path kSource = INGOT_SOURCE_DIR;

std::vector<fs::path> documents() {
  std::vector<fs::path> found{kSource / "README.md", kSource / "CONTRIBUTING.md"};
  for (const auto& file : fs::directory_iterator(kSource / "docs")) found.push_back(file.path());
  return found;
}

/// The first groups of all matches.
std::vector<std::string> matches(const std::string& text, const std::string& pattern) {
  const std::regex expression(pattern, std::regex::ECMAScript | std::regex::multiline);
  std::vector<std::string> found;
  for (std::sregex_iterator it(text.begin(), text.end(), expression), end; it != end; ++it) found.push_back((*it)[1]);
  return found;
}

std::vector<std::string> verbs() {
  const std::string help = ingot({"--help"}).out;
  return matches(help.substr(help.find("Subcommands:")), "^  ([a-z]+) ");
}

/// What scripts/demo.sh runs, its variables filled in.
std::vector<std::string> demo_commands() {
  std::string script = read_text(kSource / "scripts/demo.sh");
  for (const auto& [from, to] : {std::pair(R"("${images[@]:0:2}")", "a.png b.png"), std::pair(R"("$@")", ""),
                                 std::pair("\"", ""), std::pair("$out", "runs/demo")})
    for (size_t at = 0; (at = script.find(from)) != std::string::npos;) script.replace(at, std::strlen(from), to);
  return matches(script, "^run ([a-z]+ .+)$");
}

/// Commands after a "$ " and between backticks, but for placeholders and mentions of a verb alone.
std::set<std::string> documented_commands() {
  std::set<std::string> commands;
  for (const fs::path& document : documents())
    for (const char* pattern : {R"(^\$ ingot ([a-z]+ .+)$)", R"(`ingot ([a-z]+ [^`]+)`)"})
      for (const std::string& command : matches(read_text(document), pattern))
        if (matches(command, R"((\b[A-Z]+\b))").empty()) commands.insert(command);
  for (const std::string& verb : verbs())
    for (const std::string& command : matches(ingot({verb, "--help"}).out, "^  ingot (.+)$")) commands.insert(command);
  const auto demo = demo_commands();
  EXPECT_GE(demo.size(), 7u);
  commands.insert(demo.begin(), demo.end());
  return commands;
}

class Documented : public testing::Test {
 protected:
  /// A run on toy data under the names that the documentation uses.
  static void SetUpTestSuite() {
    prepared_ = scratch_folder() / "prepared";
    fs::create_directories(prepared_ / "data");
    fs::create_directories(prepared_ / "configs");
    write_toy_data(prepared_ / "data");
    for (const auto& config : fs::directory_iterator(kSource / "configs"))  // those with a _base_ work on toy data, too
      fs::copy(config.path(), prepared_ / "configs");
    write_text(prepared_ / "configs/fashion_mnist.yaml", toy_config(prepared_ / "data"));
    prepare_photos();
    make_small("optimisers.yaml", {{"train_samples: 6000", "train_samples: 60"}, {"epochs: 8", "epochs: 2"}});
    make_small("resnet18.yaml", {{"train_samples: 20000", "train_samples: 60"}, {"[56, 56]", "[32, 32]"}});
    make_small("svm.yaml", {{"train_samples: 10000", "train_samples: 100"}, {"epochs: ", "epochs: 3  # "}});
    for (const char* line :
         {"train configs/fashion_mnist.yaml --out runs/demo", "eval runs/demo",
          "build runs/demo -o runs/demo/model.ingot --no-timing", "build zoo:resnet18 -o resnet18.ingot --no-timing",
          "train configs/photos.yaml --out runs/photos", "build runs/photos -o runs/photos/model.ingot --no-timing"})
      ASSERT_EQ(run_line(line, prepared_).code, 0) << line;
    save_torch(prepared_ / "weights.pth", TorchValue(TensorMap{{"conv.weight", ones({4, 1, 3, 3})}}));
  }

  static void prepare_photos() {
    write_toy_folder(prepared_ / "photos");
    make_small("photos.yaml", {{"type: resnet18", "type: small_cnn"},
                               {"validation: 500", "validation: 15"},
                               {"resize: 144", "resize: 18"},
                               {"center_crop: 128", "center_crop: 16"},
                               {"epochs: 60", "epochs: 3"}});
  }

  /// A config of the repository with other sizes.
  static void make_small(const char* config, const std::vector<std::pair<std::string, std::string>>& changes) {
    std::string text = read_text(kSource / "configs" / config);
    for (const auto& [from, to] : changes) text.replace(text.find(from), from.size(), to);
    write_text(prepared_ / "configs" / config, text);
  }

  static Outcome run_documented(const std::string& command) {
    const fs::path folder = fresh_folder("documented");
    fs::copy(prepared_, folder, fs::copy_options::recursive);
    if (command.starts_with("train") && command.find("--resume") == std::string::npos) fs::remove_all(folder / "runs");
    for (const std::string& image : matches(command, R"((\S+\.png))")) {
      fs::create_directories((folder / image).parent_path());
      write_png(folder / image, zeros({1, 8, 8}, DType::u8));
    }
    for (const std::string& image : matches(command, R"((\S+\.jpg))"))
      write_text(folder / image, encode_jpeg(zeros({3, 40, 30}, DType::u8)));
    Outcome outcome = run_line(command, folder);
    fs::remove_all(folder);
    return outcome;
  }

  static inline fs::path prepared_;
};

TEST_F(Documented, EveryCommandRuns) {
  const auto commands = documented_commands();
  EXPECT_GE(commands.size(), 10u);
  for (const std::string& command : commands) {
    const Outcome o = run_documented(command);
    EXPECT_EQ(o.code, 0) << "ingot " << command << "\n" << o.err;
  }
}

TEST_F(Documented, EveryVerbHasAnExample) {
  EXPECT_THAT(verbs(), testing::UnorderedElementsAre("train", "eval", "build", "compare", "bench", "predict", "report",
                                                     "inspect", "convert", "summary", "doctor"));
  for (const std::string& verb : verbs())
    EXPECT_FALSE(matches(ingot({verb, "--help"}).out, "Example:\n  ingot (" + verb + ") ").empty()) << verb;
}

/// The numbers of a text's tables, in order.
std::vector<double> table_numbers(const std::string& text) {
  std::vector<double> found;
  for (const std::string& row : matches(text, R"(^(\|.*\|)$)"))
    for (const std::string& cell : matches(row, R"(\| (-?[0-9.]+(?:e[-+][0-9]+)?) (?=\|))"))
      found.push_back(std::stod(cell));
  return found;
}

TEST_F(Documented, TablesAreWhatTheirProgramPrints) {
  int programs = 0;
  for (const fs::path& document : documents()) {
    const std::string text = read_text(document);
    for (const std::string& program : matches(text, R"(`build/release/(example_\w+)` prints the tables)")) {
      const Finished printed = Process({fs::path(INGOT_EXAMPLES) / program}).finish();
      EXPECT_EQ(printed.code, 0) << program << printed.err;
      const auto wanted = table_numbers(text), found = table_numbers(printed.out);
      ASSERT_EQ(found.size(), wanted.size()) << document;
      EXPECT_GT(found.size(), 10u) << program;
      constexpr double kRounding = 0.11;  // of two digits, where kernels differ in the last bits
      for (size_t i = 0; i < found.size(); ++i)
        EXPECT_NEAR(found[i] / wanted[i], 1, kRounding) << document << ", number " << i << ": " << wanted[i];
      ++programs;
    }
  }
  EXPECT_GE(programs, 1);
}

TEST_F(Documented, ScriptsProgramsAndPresetsAreThere) {
  const auto presets = nlohmann::json::parse(read_text(kSource / "CMakePresets.json")).at("configurePresets");
  const auto is_preset = [&](const std::string& name) {
    return std::any_of(presets.begin(), presets.end(), [&](const auto& p) { return p.at("name") == name; });
  };
  for (const fs::path& document : documents()) {
    const std::string text = read_text(document);
    for (const std::string& script : matches(text, R"((scripts/\w+\.\w+))"))
      EXPECT_TRUE(fs::exists(kSource / script)) << document << " names " << script;
    for (const std::string& preset : matches(text, R"(--preset (\w+))"))
      EXPECT_TRUE(is_preset(preset)) << document << " names " << preset;
    for (const std::string& program : matches(text, R"(build/(?:release|dev)/(\w+))")) {
      const auto part = program.substr(program.find('_') + 1);
      EXPECT_TRUE(fs::exists(kSource / "bench" / (part + ".cpp")) || fs::is_directory(kSource / "tests" / part) ||
                  fs::exists(kSource / "examples" / (part + ".cpp")))
          << document << " names " << program;
    }
  }
}

TEST_F(Documented, FilesThatAreNamedAreThere) {
  for (const fs::path& document : documents()) {
    const std::string text = read_text(document);
    for (const std::string& link : matches(text, R"(\]\(([^)#]+)\))"))
      EXPECT_TRUE(link.starts_with("http") || fs::exists(document.parent_path() / link)) << document << ": " << link;
    for (const std::string& file : matches(text, R"(`((?:src|tests|include|examples|configs|docs)/[\w/.]+)`)"))
      EXPECT_TRUE(fs::exists(kSource / file) || file.find("/x.cpp") != std::string::npos) << document << ": " << file;
  }
}

}  // namespace
}  // namespace ingot
