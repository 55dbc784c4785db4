#include "diagnose/summary.h"

#include <gtest/gtest.h>

#include "ingot/models.h"

namespace ingot {
namespace {

const SummaryRow& row(const Summary& s, const std::string& path) {
  for (const SummaryRow& r : s.rows)
    if (r.path == path) return r;
  ADD_FAILURE() << "no row " << path;
  return s.rows.front();
}

TEST(Summary, CountsLeNetByHand) {
  LeNet net;
  net.eval();
  const Summary s = summarise(net, {1, 28, 28});
  EXPECT_EQ(s.parameters, 61706);
  EXPECT_EQ(s.trainable, 61706);
  EXPECT_EQ(row(s, "conv1").macs, 28 * 28 * 6 * 25);
  EXPECT_EQ(row(s, "conv2").macs, 10 * 10 * 16 * 6 * 25);
  EXPECT_EQ(row(s, "fc1").macs, 400 * 120);
  EXPECT_EQ(s.macs, 28 * 28 * 6 * 25 + 10 * 10 * 16 * 6 * 25 + 400 * 120 + 120 * 84 + 84 * 10);
  EXPECT_EQ(s.rows.front().macs, s.macs);
  ASSERT_EQ(row(s, "conv1").outputs.size(), 1u);
  EXPECT_EQ(row(s, "conv1").outputs[0], (Shape{1, 6, 28, 28}));
  EXPECT_EQ(row(s, "relu").calls, 4);
  EXPECT_EQ(s.uncounted.at("relu"), 4);
  EXPECT_EQ(s.uncounted.at("max_pool2d"), 2);
  EXPECT_FALSE(net.has_hooks());
}

TEST(Summary, AddsUpByBlock) {
  ResNet net({.depth = 18});
  net.eval();
  const Summary s = summarise(net, {3, 64, 64});
  int64_t blocks = 0;
  for (const char* child : {"conv1", "layer1", "layer2", "layer3", "layer4", "fc"}) blocks += row(s, child).macs;
  EXPECT_EQ(blocks, s.macs);
  EXPECT_EQ(row(s, "layer1.0.conv1").macs, 16 * 16 * 64 * 64 * 9);
  EXPECT_EQ(row(s, "layer1.0").depth, 2);
  EXPECT_GT(s.activation_bytes, 0);
}

}  // namespace
}  // namespace ingot
