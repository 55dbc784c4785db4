#include <gmock/gmock.h>

#include "base/file.h"
#include "data/csv_reader.h"
#include "data/scratch.h"
#include "ingot/data_loader.h"
#include "ingot/file_datasets.h"

namespace ingot {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Records = std::vector<std::vector<std::string>>;

Records records(const std::string& text, char delimiter = ',') {
  CsvReader reader(text, delimiter, "it");
  Records out;
  while (reader.next()) out.push_back(reader.fields());
  return out;
}

TEST(CsvReader, SplitsLinesAndFieldsAsRfc4180) {
  EXPECT_EQ(records("a,b\n1,2\n"), (Records{{"a", "b"}, {"1", "2"}}));
  EXPECT_EQ(records("a,b\r\n1,2"), (Records{{"a", "b"}, {"1", "2"}}));
  EXPECT_EQ(records("\n\na,,\n\r\n,b,\n"), (Records{{"a", "", ""}, {"", "b", ""}}));
  EXPECT_EQ(records("\"a,\"\"b\"\"\",\"x\ny\"\n\"\",z"), (Records{{"a,\"b\"", "x\ny"}, {"", "z"}}));
  EXPECT_EQ(records("a;b\tc", ';'), (Records{{"a", "b\tc"}}));
  EXPECT_EQ(records("a\rb,5\"\n"), (Records{{"a\rb", "5\""}}));
  EXPECT_EQ(records("\xef\xbb\xbf\"x\",y"), (Records{{"x", "y"}}));
  EXPECT_EQ(records(""), Records{});
  EXPECT_EQ(records("\"\""), (Records{{""}}));
}

TEST(CsvReader, MistakesHaveALine) {
  EXPECT_EQ(error_of([] { records("a\n\"b\n\nc"); }), "it:2: a quote has no end");
  EXPECT_EQ(error_of([] { records("\"a\nb\"\n1,\"x\"y,2"); }), "it:3: text follows the quote that ends field 2");
  EXPECT_EQ(error_of([] { records("a\n" + std::string(1'000'001, ',')); }), "it:2: more than 1000000 fields");
  EXPECT_THAT(error_of([] { records("a", '"'); }), HasSubstr("the delimiter is a quote"));
  EXPECT_THAT(error_of([] { records("a", '\n'); }), HasSubstr("the delimiter is a line end"));
}

std::filesystem::path write(const std::string& content) {
  const auto path = scratch("table.csv");
  write_file_atomic(path, content);
  return path;
}
CsvDataset table(const std::string& content, const CsvOptions& options = {}) {
  return CsvDataset(write(content), options);
}
/// Without the path, which every error begins with.
std::string refusal(const std::string& content, const CsvOptions& options = {}) {
  const std::string path = scratch("table.csv").string(), error = error_of([&] { table(content, options); });
  EXPECT_THAT(error, testing::StartsWith(path + ":"));
  return error.substr(std::min(error.size(), path.size() + 1));
}

TEST(Csv, RowsAreNumbersAndATarget) {
  const CsvDataset set = table("x,label,y\n1.5,1,-2\n 3 ,0,4e2\n");
  EXPECT_EQ(set.inputs().shape(), Shape({2, 2}));
  EXPECT_EQ(set.inputs().dtype(), DType::f32);
  EXPECT_THAT(set.inputs().to_vector<float>(), ElementsAre(1.5f, -2, 3, 400));
  EXPECT_THAT(set.targets().to_vector<int64_t>(), ElementsAre(1, 0));
  EXPECT_THAT(set.classes(), ElementsAre("0", "1"));
  EXPECT_THAT(table("7,1,2\n8,3,4", {.target = "0", .header = false}).inputs().to_vector<float>(),
              ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(table("7,1,2\n8,3,4", {.target = "-1", .header = false}).targets().to_vector<int64_t>(),
              ElementsAre(2, 4));
  EXPECT_THAT(table("a,b\n7,1", {.target = "1", .dtype = DType::f64}).inputs().to_vector<double>(), ElementsAre(7));
}

TEST(Csv, ImagesHaveAShape) {
  const CsvDataset set =
      table("label;0;1;2;3\n3;0;255;7;8\n", {.delimiter = ';', .shape = {1, 2, 2}, .dtype = DType::u8});
  EXPECT_EQ(set.inputs().shape(), Shape({1, 1, 2, 2}));
  EXPECT_THAT(set.inputs().to_vector<int>(), ElementsAre(0, 255, 7, 8));
  // Channel by channel, as the values of a shape are told.
  const CsvDataset colour = table("a,b,c,d,e,f,label\n1,2,3,4,5,6,0\n", {.shape = {3, 1, 2}, .dtype = DType::u8});
  EXPECT_THAT(colour.get(0).input.to_vector<int>(), ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_EQ(colour.get(0).input.strides()[0], 1);
}

TEST(Csv, ClassesAreNumbersOrNames) {
  const CsvDataset names = table("x,label\n1,cat\n2,ant\n3,cat\n4,\"b,c\"\n");
  EXPECT_THAT(names.classes(), ElementsAre("ant", "b,c", "cat"));
  EXPECT_THAT(names.targets().to_vector<int64_t>(), ElementsAre(2, 0, 2, 1));
  const CsvDataset given = table("x,label\n1,cat\n2,0\n", {.classes = {"dog", "cat", "ant"}});
  EXPECT_THAT(given.classes(), ElementsAre("dog", "cat", "ant"));
  EXPECT_THAT(given.targets().to_vector<int64_t>(), ElementsAre(1, 0));
  const CsvDataset odd = table("x,label\n1,7\n2,5\n", {.classes = {"5", "7"}});  // names before numbers
  EXPECT_THAT(odd.targets().to_vector<int64_t>(), ElementsAre(1, 0));
  const CsvDataset numbers = table("x,label\n1,0.5\n2,-1\n", {.target_dtype = DType::f32});
  EXPECT_THAT(numbers.targets().to_vector<float>(), ElementsAre(0.5f, -1));
  EXPECT_TRUE(numbers.classes().empty());
  EXPECT_EQ(table("x,label\n1,0.1\n", {.target_dtype = DType::f64}).targets().item<double>(), 0.1);
}

TEST(Csv, MistakesAreRefusedWithLineRowAndReason) {
  EXPECT_EQ(refusal(""), " there is nothing in it");
  EXPECT_EQ(refusal("a,label\n"), " there are no rows");
  EXPECT_EQ(refusal("a,lable\n1,2\n"), "1: there is no column 'label'; did you mean 'lable'?");
  EXPECT_EQ(refusal("a,b\n1,2\n", {.header = false}),
            "1: target is 'label', the number of one of the 2 columns is expected");
  EXPECT_EQ(refusal("a,b\n1,2\n", {.target = "2"}), "1: target is '2', the number of one of the 2 columns is expected");
  EXPECT_EQ(refusal("label\n1\n"), "1: there is no column besides the target");
  EXPECT_EQ(refusal("label,a\n1,2\n", {.shape = {1, 2, 2}}),
            "1: 1 columns besides the target, shape [1, 2, 2] needs 4");
  EXPECT_EQ(refusal("a,label\n1,2\n\n3\n"), "4: row 1: 1 fields, 2 are expected");
  EXPECT_EQ(refusal("a,label\nx,2\n"), "2: row 0: column 'a' is 'x', a finite number is expected");
  EXPECT_EQ(refusal("a,label\n,2\n"), "2: row 0: column 'a' is '', a finite number is expected");
  EXPECT_EQ(refusal("a,label\nnan,2\n"), "2: row 0: column 'a' is 'nan', a finite number is expected");
  EXPECT_EQ(refusal("a,label\n1e99,2\n"), "2: row 0: column 'a' is '1e99', a finite number is expected");
  EXPECT_EQ(refusal("a,label\n1x,2\n"), "2: row 0: column 'a' is '1x', a finite number is expected");
  EXPECT_EQ(refusal("a,label\n256,2\n", {.dtype = DType::u8}),
            "2: row 0: column 'a' is '256', a whole number from 0 to 255 is expected");
  EXPECT_EQ(refusal("a,label\n0.5,2\n", {.dtype = DType::u8}),
            "2: row 0: column 'a' is '0.5', a whole number from 0 to 255 is expected");
  EXPECT_EQ(refusal("a,label\n1,0\n1,-1\n"), "3: row 1: label -1 is outside [0, 65536)");
  EXPECT_EQ(refusal("a,label\n1,0\n1,65536\n"), "3: row 1: label 65536 is outside [0, 65536)");
  EXPECT_EQ(refusal("a,label\n1,0\n1,cat\n"), "3: row 1: target 'cat' is not a number, as the first one is");
  EXPECT_EQ(refusal("a,label\n1,cat\n1,\n"), "3: row 1: the target is empty");
  EXPECT_EQ(refusal("a,label\n1,2\n", {.classes = {"x", "y"}}), "2: row 0: label 2 is outside [0, 2)");
  EXPECT_EQ(refusal("a,label\n1,z\n", {.classes = {"x", "y"}}),
            "2: row 0: target 'z' is neither one of the 2 classes nor the number of one");
  EXPECT_EQ(refusal("a,label\n1,\"2\n"), "2: a quote has no end");
  EXPECT_THAT(refusal("a,label\n1,2\n", {.max_bytes = 5}), HasSubstr("12 bytes, at most 5 are allowed"));
  EXPECT_THAT(error_of([] { CsvDataset("/no/such.csv"); }), HasSubstr("/no/such.csv: No such file"));
}

TEST(Csv, ContradictoryOptionsAreRefused) {
  const auto refused = [](const CsvOptions& options) { return error_of([&] { table("a,label\n1,2\n", options); }); };
  EXPECT_THAT(refused({.target_dtype = DType::u8}), HasSubstr("target_dtype is u8"));
  EXPECT_THAT(refused({.dtype = DType::i64}), HasSubstr("dtype is i64"));
  EXPECT_THAT(refused({.target_dtype = DType::f32, .classes = {"a"}}), HasSubstr("classes are given but target_dtype"));
  EXPECT_THAT(refused({.classes = {"a", "a"}}), HasSubstr("the class 'a' occurs twice"));
}

TEST(Csv, BadRowsCanBeLeftOut) {
  testing::internal::CaptureStderr();
  const CsvDataset set = table("a,label\n1,x\noops,y\n3\n4,z\n", {.on_error = OnError::skip});
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              HasSubstr("2 of 4 samples are left out, the first: " + scratch("table.csv").string() +
                        ":3: row 1: column 'a' is 'oops'"));
  EXPECT_EQ(set.skipped(), 2);
  EXPECT_THAT(set.inputs().to_vector<float>(), ElementsAre(1, 4));
  EXPECT_THAT(set.classes(), ElementsAre("x", "z"));
  EXPECT_THAT(error_of([] { table("a,label\n1\n", {.on_error = OnError::skip}); }),
              HasSubstr("all 1 samples are bad, the first: "));
}

TEST(Csv, FeedsALoader) {
  DataLoader loader(table("a,b,label\n1,2,0\n3,4,1\n5,6,0\n"), {.batch_size = 2});
  const Batch batch = *loader.epoch(0).next();
  EXPECT_THAT(batch.input.to_vector<float>(), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(batch.target.to_vector<int64_t>(), ElementsAre(0, 1));
}

}  // namespace
}  // namespace ingot
