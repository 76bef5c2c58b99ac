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
#ifndef itkNNHermesModules_h
#define itkNNHermesModules_h

#include "itkHermesNetwork.h"
#include "itkNNConfigurationReader.h"
#include "itkNNModuleBuilder.h"

namespace itk
{
namespace nn
{
/** Tokens of a modality's prior. */
constexpr std::int64_t hermesModalityTokens = 10;
/** Of an attention's head between priors and features. */
constexpr std::int64_t hermesHeadChannels = 32;
/** Of the normalisations before convolutions and MLPs. */
constexpr double hermesEpsilon = 1e-4;

/** Throws Error when a value is out of its range. */
void CheckHermesPriors(const std::string & network, const HermesPriors & priors);
HermesPriors ReadHermesPriors(const ConfigurationReader & reader);
void WriteHermesPriors(const HermesPriors & priors, nlohmann::json & json);
std::vector<std::string> GetHermesInputNames(const HermesPriors & priors);
/** Domains; 1 without. */
std::int64_t CountHermesTasks(const HermesPriors & priors);
/** The same with another domain. Throws Error without domains. */
HermesPriors ForHermesTask(const std::string & network, HermesPriors priors, std::int64_t task);

Network::ImageClasses GetHermesImageClasses();
/** See HermesNetwork::MakeTaskInputs(). */
TensorMap MakeHermesTaskInputs(const std::string & network,
                               const HermesPriors & priors,
                               const std::vector<std::int64_t> & tasks);
/** Add a domain, which runs from now on. \return Network::Extension::rows of the pools. */
std::vector<std::int64_t> ExtendHermesPriors(const std::string & network,
                                             HermesPriors & priors,
                                             const Network::NewTask & task,
                                             std::int64_t inputChannels);

/** Two convolutions with normalisation and rectifier before them, and a third beside
 * them where the channels or the extents change. */
void DeclareHermesBlock(ParameterList & list,
                        const std::string & key,
                        std::int64_t in,
                        std::int64_t out,
                        const Extent3 & kernel,
                        bool isStrided = false);
/** The plain convolution and the block of the finest level. */
void DeclareHermesInput(
  ParameterList & list, const std::string & key, std::int64_t in, std::int64_t out, const Extent3 & kernel);
/** task_prior [tn + 1, channels] and modality_prior [mn, 10, channels]. */
void DeclareHermesPools(ParameterList & list,
                        const std::string & key,
                        std::int64_t channels,
                        const HermesPriors & priors);
void DeclareHermesMlp(
  ParameterList & list, const std::string & key, std::int64_t in, std::int64_t hidden, std::int64_t out);
/** Pools of priors, and blocks in which they attend to features and these to them. */
void DeclareHermesFusion(ParameterList & list,
                         const std::string & key,
                         std::int64_t channels,
                         std::int64_t blocks,
                         const HermesPriors & priors);
/** From posteriors of `in` channels in all to prototypes of `out`. */
void DeclareHermesClassifier(ParameterList & list, const std::string & key, std::int64_t in, std::int64_t out);
void DeclareHermesModalityHead(ParameterList & list,
                               const std::string & key,
                               std::int64_t in,
                               const HermesPriors & priors);

/** The extents of a kernel of the weights. */
Extent3 GetHermesKernel(const std::string & network, const StateDict & weights, const std::string & name);
/** tn and mn of a pool of the weights. */
HermesPriors GetHermesPriors(const std::string & network, const StateDict & weights, const std::string & key);

/** Throws Error unless the coarsest grid of an input has several voxels: one has no deviation. */
void RequireHermesVoxels(const std::string & network, const Shape & input, const Extent3 & grid);

/** \class HermesBuilder
 * \brief Adds the modules that the Hermes networks share to a graph.
 *
 * Tokens are [B, N, C]. The priors of a domain have a batch of one, which spreads to the
 * images' where the features are first added.
 */
class UniverSegNetworks_EXPORT HermesBuilder
{
public:
  /** Adds the inputs. Throws Error when one of the priors' is missing or has another shape. */
  HermesBuilder(Graph & graph,
                const std::string & network,
                const HermesPriors & priors,
                const ShapeMap & inputs,
                std::int64_t inputChannels,
                const Extent3 & divisors,
                const std::vector<Network::Parameter> & parameters,
                UnaryFunction activation = UnaryFunction::Relu);

  ModuleBuilder & GetModules()
  {
    return m_Modules;
  }
  ValueId GetInput() const
  {
    return m_Input;
  }
  /** T + 10. */
  std::int64_t GetNumberOfPriors() const
  {
    return m_Tasks + hermesModalityTokens;
  }

  ValueId Add(ValueId a, ValueId b, const std::string & key);
  /** [B, C, D, H, W] to [B, D * H * W, C]. */
  ValueId ToTokens(ValueId features, const std::string & key);
  /** Back to a shape. */
  ValueId ToFeatures(ValueId tokens, const Shape & shape, const std::string & key);
  ValueId SliceTokens(ValueId tokens, std::int64_t begin, std::int64_t end, const std::string & key);
  ValueId Resize(ValueId src, ValueId like, const std::string & key);

  /** Normalisation, rectifier, convolution. */
  ValueId ActivateAndConvolve(ValueId x, const std::string & key, const Extent3 & stride = { { 1, 1, 1 } });
  ValueId AddBlock(ValueId x, const std::string & key, const Extent3 & stride = { { 1, 1, 1 } });
  ValueId AddInput(const std::string & key);
  ValueId AddMlp(ValueId tokens, const std::string & key);
  /** What the weight [parts * C, in] makes of tokens in one of its parts: the weights are cut, not the product. */
  ValueId TransformPart(ValueId tokens, const std::string & key, std::int64_t part, std::int64_t parts);
  /** Tokens [B, N, C] to heads [B, h, N, C / h], head by head. */
  ValueId SplitHeads(ValueId tokens, std::int64_t heads, const std::string & key);
  ValueId JoinHeads(ValueId heads, const std::string & key);
  /** softmax(queries keys^T / sqrt(d)) values of all heads, and to_out. */
  ValueId Attend(ValueId queries, ValueId keys, ValueId values, std::int64_t heads, const std::string & key);

  /** The chosen rows of both pools, tasks first: [B or 1, T + 10, C]. */
  ValueId SelectPriors(const std::string & key);
  /** Posteriors of one scale [B, T + 10, C], for the heads. */
  void AddPosteriors(ValueId tokens);
  /** The last block's [B, T + 10, C] of each scale. */
  const std::vector<ValueId> & GetPosteriors() const
  {
    return m_Posteriors;
  }
  /** Features [B, C, D, H, W] that have attended to the priors; adds the posteriors. */
  ValueId Fuse(ValueId features, const std::string & key, std::int64_t blocks);
  /** Logits [B, T, D, H, W] of features [B, C, D, H, W]. */
  ValueId Classify(ValueId features, const std::string & key);
  /** Logits [B, mn] of the modality. */
  ValueId ClassifyModality(const std::string & key);

private:
  /** [B or 1, n, rows], 1 at the rows of numbers [B or 1, n]. */
  ValueId FindRows(ValueId numbers, std::int64_t rows, const std::string & name);
  ValueId Multiply(ValueId rows, const std::string & pool);
  /** x with what it takes from others, and an MLP. */
  ValueId Aggregate(ValueId x, ValueId others, const std::string & key);
  /** The posteriors' tokens of a range at all scales, normalised. */
  ValueId JoinPosteriors(std::int64_t begin, std::int64_t end, const std::string & key);

  Graph & m_Graph;
  ModuleBuilder m_Modules;
  UnaryFunction m_Activation;
  ValueId m_Input = -1;
  ValueId m_TaskRows = -1;
  ValueId m_ModalityRows = -1;
  std::int64_t m_Tasks = 0;   ///< with null tasks
  std::int64_t m_Classes = 0; ///< that the logits are of
  std::vector<ValueId> m_Posteriors;
};
} // namespace nn
} // namespace itk

#endif
