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
#ifndef itkHermesSegmenter_h
#define itkHermesSegmenter_h

#include "UniverSegFilteringExport.h"
#include "itkHermesNetwork.h"
#include "itkHermesTask.h"
#include "itkNNNetworkRunner.h"

#include <memory>
#include <string>
#include <vector>

namespace itk
{
class SegmentationModel;

namespace nn
{
/** How an image becomes a segmentation with Hermes, as its reference implementation
 * (yhygao/universal-medical-image-segmentation) evaluates it: what is in the card of a model for each of its tasks.
 * \ingroup UniverSegFiltering */
struct UniverSegFiltering_EXPORT HermesPipeline
{
  /** How the image is prepared. It is not cut to its labels, of which it has none. */
  HermesPreprocessing preprocessing;

  /** [D, H, W] of the windows; zeros make a prepared image at least as large. Empty: the whole
   * image at once. */
  Shape window{ 128, 128, 128 };
  std::int64_t windowBatch = 1; ///< windows in one run of the network

  /** An image with more slices is divided into the fewest equal parts with no more, which do not see
   * each other. */
  std::int64_t maximumSlices = 600;

  /** A voxel is of the class that is most probable there, if it is as probable as this. */
  double threshold = 0.5;

  /** For a data set of the paper. */
  static HermesPipeline Make(const HermesTask & task);

  /** Whether a card's preprocessing is such a pipeline: a JSON object with the key "hermes". */
  static bool IsIn(const std::string & text);

  /** A JSON object with the key "hermes". */
  std::string ToJson() const;

  /** Inverse of ToJson(); what is left out has the default. Throws Error that names the key which
   * is wrong. */
  static HermesPipeline FromJson(const std::string & text);

  /** Throws Error when the preprocessing has a context, the window is neither empty nor three extents
   * of 1 or more, a batch or the slices are below 1, the threshold is not within [0, 1], and as
   * HermesPreprocessing::Check(). */
  void Check() const;
};

/** The network of the same weights that segments the classes of a domain. Throws Error when it is
 * none of Hermes', or has not as many tasks or modalities.
 * \ingroup UniverSegFiltering */
UniverSegFiltering_EXPORT Network::ConstPointer MakeHermesNetwork(const Network & network, const HermesDomain & domain);

/** Whether a network of this name is one of Hermes'. \ingroup UniverSegFiltering */
UniverSegFiltering_EXPORT bool IsHermesNetwork(const std::string & name);

/** What to segment with a model of Hermes, in the order in which it counts.
 * \ingroup UniverSegFiltering */
struct HermesSelection
{
  std::vector<std::int64_t> taskNumbers; ///< of the classes in the pools, as HermesDomain::tasks
  std::int64_t modality = -1;            ///< of these, as HermesDomain::modality
  int task = -1;                         ///< number of a domain of the network; -1: see below
  /** Of a task in the model's card, or of a data set of the paper; empty: the domain that the
   * network's configuration names. */
  std::string name;
  /** As HermesPipeline::ToJson() writes it. Empty: that of the task in the card, of the data set, or, for numbers,
   * of the card for all tasks, or the default with the limits of CT for the modality 0. */
  std::string pipeline;
};

/** \class HermesChosenTask
 * \brief A network that has one domain, and how its images are prepared.
 * \ingroup UniverSegFiltering */
struct HermesChosenTask
{
  Network::ConstPointer network;
  HermesPipeline pipeline;
  std::int64_t classes = 0;
};

/** Throws Error or ExceptionObject when the model is none of Hermes', has no such task, or nothing says how
 * images are prepared.
 * \ingroup UniverSegFiltering */
UniverSegFiltering_EXPORT HermesChosenTask FindHermesTask(const SegmentationModel & model,
                                                          const HermesSelection & selection);

/** \class HermesSegmenter
 * \brief An image of any grid to labels and probabilities on that grid, by one task of Hermes.
 *
 * Immutable: several threads may use an object.
 * \ingroup UniverSegFiltering */
class UniverSegFiltering_EXPORT HermesSegmenter
{
public:
  /** \brief A segmentation, on the grid of its image. */
  struct Result
  {
    Image<std::int32_t, 3>::Pointer labels; ///< number of the class, from 1; 0: none
    /** Of each class, if asked for. A voxel may be of several classes. */
    std::vector<Image<float, 3>::Pointer> probabilities;
  };

  /** Throws Error as HermesPipeline::Check(), and without a runner.
   * \param runner of a network with one input, "input", [N, 1, D, H, W]: one with a domain, see
   * MakeHermesNetwork(). */
  HermesSegmenter(std::shared_ptr<NetworkRunner> runner, HermesPipeline pipeline);

  /** Throws Error as HermesPreprocessing::Apply(), and when the network does not take the volume;
   * Cancelled when the hook says so. */
  Result Segment(const RawImage & image, bool wantsProbabilities = false, const RunHooks & hooks = {}) const;

  /** Probabilities of a prepared volume: means of the windows' sigmoids.
   * \param volume [1, D, H, W], Float32.
   * \return [K, D, H, W], Float32. */
  Tensor PredictProbabilities(const Tensor & volume, const RunHooks & hooks = {}) const;

  const HermesPipeline & GetPipeline() const
  {
    return m_Pipeline;
  }

private:
  std::shared_ptr<NetworkRunner> m_Runner;
  HermesPipeline m_Pipeline;
};
} // namespace nn
} // namespace itk

#endif
