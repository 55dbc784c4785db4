#pragma once

// Everything about data: data sets, transforms, samplers and the loader.
#include "ingot/data_loader.h"
#include "ingot/dataset.h"
#include "ingot/sampler.h"
#include "ingot/transforms.h"
