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
#ifndef universegRandomNetwork_h
#define universegRandomNetwork_h

#include "universegCommandLine.h"

#include "itkNNNetwork.h"
#include "itkNNTensor.h"

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <random>
#include <string>

namespace universeg
{
/** Of the random weights and inputs of a measured network. */
constexpr std::uint64_t networkProblemSeed = 20230412;

/** Uniform in [low, high), the same on every platform.
 * \param step 0, or what the values are multiples of. */
itk::nn::Tensor MakeUniform(
  const itk::nn::Shape & shape, double low, double high, std::mt19937_64 & generator, double step = 0);

/** The largest magnitude of random weights of a shape with which values keep
 * their size from layer to layer. */
double GetWeightBound(const itk::nn::Shape & shape);

/** Weights with which values keep their size from layer to layer. */
std::shared_ptr<const itk::nn::StateDict> MakeRandomWeights(const itk::nn::Network & network,
                                                            std::mt19937_64 & generator);

/** The options --network, --config, --support-size, --size, --classes and --batch. */
void AddNetworkProblemOptions(CommandLine & commandLine);

/** A network and the shapes of its inputs, as the options say: by default the
 * release configuration of UniverSeg; of the networks for volumes the sizes of
 * their reference's demonstration. */
struct NetworkProblem
{
  itk::nn::Network::ConstPointer network;
  itk::nn::ShapeMap shapes;
  std::int64_t supports = 0; ///< of UniverSeg
  std::int64_t classes = 0;  ///< of a network for volumes
  itk::nn::Shape size;       ///< [H, W] or [D, H, W]
  std::int64_t batch = 1;

  bool IsOfVolumes() const
  {
    return size.size() == 3;
  }

  /** From the seed: MakeRandomWeights(), or what the training of volumes begins with. */
  std::shared_ptr<const itk::nn::StateDict> MakeWeights(std::mt19937_64 & generator) const;
};
/** The configuration of a network for volumes, of one task where it has several, as JSON. */
nlohmann::json MakeVolumeConfiguration(const std::string & network, std::int64_t channels, std::int64_t classes);

NetworkProblem GetNetworkProblem(const CommandLine & commandLine);
} // namespace universeg

#endif
