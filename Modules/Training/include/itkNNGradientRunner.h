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
#ifndef itkNNGradientRunner_h
#define itkNNGradientRunner_h

#include "UniverSegTrainingExport.h"
#include "itkNNDifferentiation.h"
#include "itkNNExecutionPlan.h"
#include "itkNNJoinedTensors.h"
#include "itkNNLosses.h"
#include "itkNNNetwork.h"
#include "itkNNRandomStream.h"

#include <list>
#include <memory>
#include <mutex>
#include <set>

namespace itk
{
namespace nn
{
/** What a GradientRunner computes. \ingroup UniverSegTraining */
struct GradientResult
{
  double loss = 0;
  TensorMap gradients; ///< by the name of their weight; weights that do not matter have none
  /** With GradientOptions::joinGradients, in the place of `gradients`: all of them, where the
   * plan's device has them. */
  Tensor joinedGradients;
  std::shared_ptr<const JoinedTensors> parts; ///< of joinedGradients
  Tensor logits;                              ///< the network's output
  TensorMap statistics;                       ///< new values of the weights that are not learned by gradients
};

/** How outputs of coarser scales are compared with the target.
 * \ingroup UniverSegTraining */
enum class DeepSupervision : std::uint8_t
{
  Logits, ///< they are interpolated (linearly, corners not aligned) to the target's extents
  Labels, ///< the target is interpolated so to theirs
  Pooled  ///< the target is averaged over the elements of each of theirs: soft labels
};

/** Throws Error for another name than "logits", "labels", "pooled". \ingroup UniverSegTraining */
UniverSegTraining_EXPORT DeepSupervision ParseDeepSupervision(const std::string & name);
UniverSegTraining_EXPORT std::string ToString(DeepSupervision mode);

/** A cross-entropy of whole images, see AddImageCrossEntropy(). \ingroup UniverSegTraining */
struct ImageLoss
{
  std::string output;  ///< of the network, [B, K]
  std::string classes; ///< input with the images' classes: one of the network's, or one of its own
  double weight = 1;   ///< in the sum of losses
};

/** How gradients are computed. \ingroup UniverSegTraining */
struct GradientOptions
{
  std::vector<LossOptions> losses{ LossOptions{} };
  std::string output = "logits"; ///< the network's output that the losses are of
  /** Outputs of coarser scales that the losses are of too: the loss is the weighted mean of
   * those of all outputs, as by the DeepSuperviseLoss of PyMIC 0.5.
   * The target's extents should be multiples of theirs. Weights of pixels are treated as the
   * target is. */
  std::vector<std::string> deepOutputs;
  /** Weights of output and of deepOutputs, as many as these together, at least 0 and not all
   * of them; empty: 1, 1/2, 1/4, ... */
  std::vector<double> deepWeights;
  DeepSupervision deepSupervision = DeepSupervision::Pooled;
  std::vector<ImageLoss> imageLosses; ///< are added to the losses of the outputs above
  /** Compute parts again instead of keeping their results: less memory, up to a
   * third more time. The parts are those of DifferentiationOptions::recompute. */
  std::vector<std::string> recompute;
  /** Weights whose names contain one of these are trained, the others stay as they are; empty:
   * all are trained. */
  std::vector<std::string> trainedParts;
  /** Rows, of the first axis, of the weights that are trained; the gradients of the other rows
   * are 0, so that an optimiser without weight decay leaves them as they are. Empty: all. */
  std::vector<std::int64_t> trainedRows;
  bool joinGradients = false; ///< into one tensor, float32
  PlanOptions plan;           ///< loops are not made: values wait for their gradients
};

/** \class GradientRunner
 * \brief The loss of a network and its gradients for inputs of any shape that the
 * network takes: those of its training graph.
 *
 * Plans are made when a combination of shapes is first seen, and the last few
 * are kept. They serve any weights. Run() may be called from several threads.
 * \ingroup UniverSegTraining
 */
class UniverSegTraining_EXPORT GradientRunner
{
public:
  /** The name of the target among the inputs. */
  static constexpr const char * targetName = "label";
  /** The name of weights of pixels, [B, 1, spatial...]; they may be missing. */
  static constexpr const char * pixelWeightName = "pixel_weight";
  /** The name of weights of channels, [B, C], see AddLoss(); they may be missing. */
  static constexpr const char * channelWeightName = "channel_weight";

  /** Throws Error when an option is out of its range.
   * \param resources of runners that do not run at the same time, for one arena for all; null: its own. */
  explicit GradientRunner(Network::ConstPointer network,
                          GradientOptions options = {},
                          std::shared_ptr<PlanResources> resources = nullptr);
  ~GradientRunner();
  GradientRunner(const GradientRunner &) = delete;
  GradientRunner & operator=(const GradientRunner &) = delete;

  /** \param inputs the network's, and "label" of the output's shape. Masks of the
   * training graph may be among them.
   * \param random draws the masks that are not; null: nothing is dropped.
   * Throws Error for missing, unknown or wrongly shaped inputs and weights,
   * Cancelled when the hook says so. */
  GradientResult Run(const TensorMap & inputs,
                     const StateDict & weights,
                     const RunHooks & hooks = {},
                     RandomStream * random = nullptr);

  /** The plan for inputs of these shapes, those of masks left out. */
  std::shared_ptr<const ExecutionPlan> GetPlan(const ShapeMap & shapes);

  /** The masks of the training graph for inputs of these shapes. */
  std::vector<RandomMask> GetMasks(const ShapeMap & shapes);

  const Network & GetNetwork() const
  {
    return *m_Network;
  }
  const GradientOptions & GetOptions() const
  {
    return m_Options;
  }

private:
  struct Entry
  {
    ShapeMap shapes;
    std::shared_ptr<const ExecutionPlan> plan;
    std::vector<RandomMask> masks;
    std::set<std::string> inputs;                   ///< of the plan: weights that do not matter are none
    std::shared_ptr<const JoinedTensors> gradients; ///< with joinGradients
    std::vector<RunningStatistic> running;
    std::shared_ptr<const JoinedTensors> statistics; ///< with joinGradients; null without statistics
  };

  /** One output in the place of the gradients', one of the statistics'. */
  void JoinOutputs(DifferentiatedGraph & gradients, Entry & entry) const;
  Entry MakeEntry(const ShapeMap & shapes) const;
  Entry GetEntry(const ShapeMap & shapes);

  Network::ConstPointer m_Network;
  GradientOptions m_Options;
  std::shared_ptr<PlanResources> m_Resources; ///< one arena for all plans
  std::mutex m_Mutex;
  std::list<Entry> m_Plans; ///< last used first
};
} // namespace nn
} // namespace itk

#endif
