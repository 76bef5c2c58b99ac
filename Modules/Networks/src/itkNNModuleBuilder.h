/*=========================================================================
 *
 *  Copyright itk-universeg developers
 *
 *  Licensed under the Apache License, Version 2.0 (the "License");
 *  you may not use this file except in compliance with the License.
 *  You may obtain a copy of the License at
 *
 *         https://www.apache.org/licenses/LICENSE-2.0.txt
 *
 *  Unless required by applicable law or agreed to in writing, software
 *  distributed under the License is distributed on an "AS IS" BASIS,
 *  WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
 *  See the License for the specific language governing permissions and
 *  limitations under the License.
 *
 *=========================================================================*/
#ifndef itkNNModuleBuilder_h
#define itkNNModuleBuilder_h

#include "itkNNLayers.h"
#include "itkNNNetwork.h"

#include <array>
#include <map>
#include <string>
#include <vector>

namespace itk
{
namespace nn
{
/** Extents along D, H, W. */
using Extent3 = std::array<std::int64_t, 3>;

/** \class ParameterList
 * \brief The state dict that a network of 3-D modules has, declared module by
 * module in the order of the reference implementation.
 */
class ParameterList
{
public:
  /** How convolutions and linear layers begin. */
  enum class Rule
  {
    He,      ///< PyMIC's 'he': normal, with the gain of a leaky ReLU; biases are 0
    Xavier,  ///< uniform, with gain 1; biases are 0
    Kaiming, ///< normal, with the gain of a ReLU; biases are 0
    PyTorch  ///< its default: weights and biases uniform, within 1 / sqrt(inputs)
  };

  explicit ParameterList(Rule rule = Rule::PyTorch)
    : m_Rule(rule)
  {}

  /** Of the modules that are added from now on. */
  void SetRule(Rule rule)
  {
    m_Rule = rule;
  }

  void AddWeight(const std::string & name, Shape shape, const Initialization & initial)
  {
    m_Parameters.push_back({ name, std::move(shape), Network::Role::Weight, initial });
  }
  void AddBuffer(const std::string & name, Shape shape)
  {
    m_Parameters.push_back({ name, std::move(shape), Network::Role::Buffer });
  }
  /** weight [out, in, kernel], bias [out] if it has one. */
  void AddConvolution(
    const std::string & key, std::int64_t in, std::int64_t out, const Extent3 & kernel, bool hasBias = true);
  /** weight [in, out, kernel], bias [out]. */
  void AddTransposedConvolution(const std::string & key, std::int64_t in, std::int64_t out, const Extent3 & kernel);
  /** weight [out, in], bias [out] if it has one. */
  void AddLinear(const std::string & key, std::int64_t in, std::int64_t out, bool hasBias = true);
  /** weight [C], bias [C]: of an instance or layer normalisation. */
  void AddAffine(const std::string & key, std::int64_t channels);
  /** An affine with its running statistics. */
  void AddBatchNormalization(const std::string & key, std::int64_t channels);
  /** weight [1]: one slope. */
  void AddPRelu(const std::string & key);

  const std::vector<Network::Parameter> & GetParameters() const
  {
    return m_Parameters;
  }

private:
  /** weight, and bias of the outputs, of which 0 have none. */
  void AddProduct(const std::string & key, Shape shape, std::int64_t biases);

  Rule m_Rule;
  std::vector<Network::Parameter> m_Parameters;
};

/** What a graph is built for. */
enum class GraphMode
{
  Inference,
  Training
};

/** \class ModuleBuilder
 * \brief Adds the modules of a 3-D network to a graph, each by the key that its
 * parameters have in the state dict: kernels and channels follow from their
 * shapes, and whether a product has a bias and a normalisation an affine from
 * there being one.
 *
 * Feature maps are [B, C, D, H, W]. A node has the name of its module.
 */
class ModuleBuilder
{
public:
  ModuleBuilder(Graph & graph,
                const std::vector<Network::Parameter> & parameters,
                GraphMode mode = GraphMode::Inference);

  /** With the padding that keeps the extents for stride 1: kernel / 2. */
  ValueId Convolve(ValueId src, const std::string & key, const Extent3 & stride = { { 1, 1, 1 } });
  /** With the operator's stride and padding; its groups follow from the weights. */
  ValueId Convolve(ValueId src, const std::string & key, Convolution op);
  /** Its stride is its kernel. */
  ValueId ConvolveTransposed(ValueId src, const std::string & key);
  /** Over the last axis. */
  ValueId Transform(ValueId src, const std::string & key);
  ValueId NormalizeInstances(ValueId src, const std::string & key, double epsilon = 1e-5);
  /** By the running statistics; in training by those of the batch, of which the running
   * ones take a tenth. */
  ValueId NormalizeBatch(ValueId src, const std::string & key);
  ValueId NormalizeLayer(ValueId src, const std::string & key, double epsilon = 1e-5);
  ValueId LeakyRelu(ValueId src, const std::string & name);
  ValueId PRelu(ValueId src, const std::string & key);
  ValueId PoolMaximum(ValueId src, const Extent3 & kernel, const std::string & name);
  ValueId Upsample(ValueId src, const Extent3 & factor, InterpolationMode mode, const std::string & name);
  /** To given extents, linear where the first and the last voxels coincide. */
  ValueId Resize(ValueId src, const Extent3 & size, const std::string & name);

  /** In training: elements become 0 with the probability, and the others greater. */
  ValueId Drop(ValueId src, double probability, const std::string & name);
  /** In training: the same with whole images, the first axis. */
  ValueId DropPath(ValueId src, double probability, const std::string & name);

  /** The value of a parameter, by its whole name. */
  ValueId GetParameter(const std::string & name);
  bool HasParameter(const std::string & name) const
  {
    return m_Shapes.count(name) > 0;
  }

  Graph & GetGraph()
  {
    return m_Graph;
  }

  /** Those that were added for training. */
  const std::vector<RandomMask> & GetMasks() const
  {
    return m_Masks;
  }
  const std::vector<RunningStatistic> & GetStatistics() const
  {
    return m_Statistics;
  }

private:
  ValueId Mask(ValueId src, Shape shape, double probability, const std::string & name);
  /** Throws Error when the network has no such parameter. */
  const Shape & FindShape(const std::string & name) const;
  void KeepStatistic(const std::string & name, ValueId ofBatch, double factor);
  ChannelAffine GetAffine(const std::string & key);

  Graph & m_Graph;
  std::map<std::string, Shape> m_Shapes;
  GraphMode m_Mode;
  std::vector<RandomMask> m_Masks;
  std::vector<RunningStatistic> m_Statistics;
};

/** The shape of the network's one input, [B, channels, D, H, W] with extents
 * that the divisors divide. Throws Error that says what is wrong. */
const Shape & RequireVolumeInput(const std::string & network,
                                 const ShapeMap & inputs,
                                 std::int64_t channels,
                                 const Extent3 & divisors);

/** The shape of a weight with a number of axes. Throws Error when it is missing
 * or has others. */
const Shape & RequireWeight(const std::string & network,
                            const StateDict & weights,
                            const std::string & name,
                            std::size_t axes);
} // namespace nn
} // namespace itk

#endif
