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
#ifndef itkNNNetwork_h
#define itkNNNetwork_h

#include "UniverSegNetworksExport.h"
#include "itkNNExecutionPlan.h"
#include "itkNNGraph.h"
#include "itkNNStateDict.h"

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace itk
{
namespace nn
{
/** Shapes by the name of an input. */
using ShapeMap = std::map<std::string, Shape>;

/** \brief Factors of a training graph that are drawn anew for every batch, as dropout
 * needs them: 0 with this probability, else 1 / (1 - probability).
 *
 * Without dropout they are ones.
 * \ingroup UniverSegNetworks */
struct RandomMask
{
  std::string name; ///< of the graph's input, the bits of a BitMask that are set where the factor is not 0
  Shape shape;
  double probability = 0;
};

/** The graph's input of the factor that is not 0. \ingroup UniverSegNetworks */
UniverSegNetworks_EXPORT std::string GetMaskValueName(const std::string & mask);

/** \brief A weight of the role Statistic that a normalisation keeps: its new value is
 * (1 - momentum) * old + momentum * the batch's.
 * \ingroup UniverSegNetworks */
struct RunningStatistic
{
  std::string name; ///< of the weight; the graph's output GetStatisticName() is the batch's
  double momentum = 0;
};

/** \brief The graph by which a network is trained.
 *
 * Normalisations take the statistics of the batch.
 * \ingroup UniverSegNetworks */
struct TrainingGraph
{
  Graph graph;
  std::vector<RandomMask> masks; ///< further inputs, in the order in which they are used
  std::vector<RunningStatistic> statistics;
};

/** The output of a training graph that holds a batch's statistic. \ingroup UniverSegNetworks */
UniverSegNetworks_EXPORT std::string GetStatisticName(const std::string & name);

/** \brief How a tensor of a network is drawn before training.
 * \ingroup UniverSegNetworks */
struct Initialization
{
  enum class Distribution : std::uint8_t
  {
    Constant, ///< of the value `scale`
    Normal,   ///< of mean 0 and standard deviation `scale`
    Uniform   ///< in [-scale, scale)
  };

  Distribution distribution = Distribution::Constant;
  double scale = 0;
};

/** \class Network
 * \brief The definition of a network: its configuration, the names and shapes
 * of its parameters, and its graph for given input shapes. Holds no weights.
 *
 * Immutable, so it can be shared between threads.
 * \ingroup UniverSegNetworks
 */
class UniverSegNetworks_EXPORT Network
{
public:
  /** What a tensor of a state dict is to the network. */
  enum class Role : std::uint8_t
  {
    Weight,    ///< learned by gradients
    Statistic, ///< floating-point, learned otherwise: the running mean and variance of a normalisation
    Buffer     ///< kept by the reference implementation, not needed here: may be missing, has any type
  };

  /** \brief A tensor of the state dict: its name, shape and role. */
  struct Parameter
  {
    std::string name; ///< as in the reference implementation's state dict
    Shape shape;
    Role role = Role::Weight;
    Initialization initial = {};
  };

  using ConstPointer = std::shared_ptr<const Network>;

  /** \brief What tells the images of different sources apart, beside the logits. */
  struct ImageClasses
  {
    std::string output; ///< logits [B, K] of the image's class; empty: there is none
    std::string input;  ///< of the graph of ForTaskInputs(): the classes [B], -1 for an unknown one
  };

  /** \brief A task that a network is to get. */
  struct NewTask
  {
    std::int64_t channels = 1;  ///< of its images
    std::int64_t classes = 2;   ///< of its labels, background included
    std::int64_t modality = -1; ///< of its images, where the network has priors of modalities
  };

  /** \brief A network with a task more. */
  struct Extension
  {
    ConstPointer network; ///< whose task is the new one
    /** Of tensors with more rows, along the first axis, than before: the number that a row had,
     * -1 for a new one. Tensors of names that were not there are new altogether, others stay. */
    std::vector<std::int64_t> rows;
  };

  virtual ~Network();

  /** "universeg", "fmunet", "hermes", "hermes_medformer", "pctnet", "u2net", "unet3d". */
  virtual std::string GetName() const = 0;

  /** JSON text that Create() takes. */
  virtual std::string GetConfiguration() const = 0;

  /** In the reference implementation's state-dict order. */
  virtual std::vector<Parameter> GetParameters() const = 0;

  virtual std::vector<std::string> GetInputNames() const = 0;

  /** The output that holds the logits of the input's own extents; "logits" by default. */
  virtual std::string GetLogitsName() const;

  /** Tasks, or domains, whose weights the network has side by side, of which one runs; 1 by
   * default. */
  virtual std::int64_t GetNumberOfTasks() const;

  /** The one that runs; 0 by default. */
  virtual std::int64_t GetTask() const;

  /** The network with the same weights whose graph is that of a task. Throws Error when there is
   * no such task, and for a network of one task. */
  virtual ConstPointer ForTask(std::int64_t task) const;

  /** Whether each logit is that of a class by itself: a voxel may have several classes, and
   * none is the background's. False by default. */
  virtual bool IsMultiLabel() const;

  /** Outputs with logits of coarser levels by which the network is trained too; none by
   * default. */
  virtual std::vector<std::string> GetDeepLogitsNames() const;

  /** None by default. */
  virtual ImageClasses GetImageClasses() const;

  /** The network with the same weights that takes the images' tasks as inputs, so that images
   * of several tasks share a batch. Null by default: batches are of one task. */
  virtual ConstPointer ForTaskInputs() const;

  /** These inputs for images of tasks, and "channel_weight" [B, T], 1 for a logit of one of
   * the image's classes, which come first, else 0.
   * Throws Error when there is no such task, and for a network without such inputs. */
  virtual TensorMap MakeTaskInputs(const std::vector<std::int64_t> & tasks) const;

  /** Throws Error when the task is none for the network, and for a network that gets none. */
  virtual Extension WithTask(const NewTask & task) const;

  /** Inputs that stay the same for many runs, so that what depends on them alone
   * is worth keeping. None by default. */
  virtual std::vector<std::string> GetStaticInputNames() const;

  /** Throws Error for a missing input or a shape that the network cannot take. */
  virtual Graph BuildGraph(const ShapeMap & inputs) const = 0;

  /** The same with dropout and batch statistics. Throws Error as BuildGraph(), whose
   * graph it is by default. */
  virtual TrainingGraph BuildTrainingGraph(const ShapeMap & inputs) const;

  /** Throws Error that lists missing, unexpected and wrongly shaped tensors. */
  void CheckWeights(const StateDict & weights) const;

  /** Sum of the elements of the weights, as the papers count: without statistics
   * and buffers. */
  std::int64_t GetNumberOfParameters() const;

  /** Throws Error for an unknown name or a bad configuration.
   * \param configuration JSON text; keys that the network does not know are ignored. */
  static ConstPointer Create(const std::string & name, const std::string & configuration);

  /** From the shapes of the weights. Throws Error when they determine no
   * network of that name; an empty name tries all. */
  static ConstPointer Infer(const StateDict & weights, const std::string & name = "");

  static std::vector<std::string> GetKnownNames();
};
} // namespace nn
} // namespace itk

#endif
