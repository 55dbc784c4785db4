#pragma once

// Layers. Their names, defaults and initial values are PyTorch's. Parameters are public members.
#include "ingot/nn/activation.h"
#include "ingot/nn/attention.h"
#include "ingot/nn/container.h"
#include "ingot/nn/conv.h"
#include "ingot/nn/dropout.h"
#include "ingot/nn/embedding.h"
#include "ingot/nn/linear.h"
#include "ingot/nn/norm.h"
#include "ingot/nn/pool.h"
#include "ingot/nn/shape.h"
