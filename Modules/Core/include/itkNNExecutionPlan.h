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
#ifndef itkNNExecutionPlan_h
#define itkNNExecutionPlan_h

#include "UniverSegCoreExport.h"
#include "itkNNBackend.h"
#include "itkNNConstantFolding.h"
#include "itkNNGraph.h"
#include "itkNNStateDict.h"

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace itk
{
namespace nn
{
/** Tensors by name. */
using TensorMap = std::map<std::string, Tensor>;

/** How a graph is to be run. \ingroup UniverSegCore */
struct PlanOptions
{
  std::string backend = "auto"; ///< or the name of one: "reference", "onednn"
  Device device;
  DataType precision = DataType::Float32; ///< of all floating-point values; Float32 or Float64 on the CPU
  unsigned int threads = 0;               ///< 0: ITK's global default
  bool optimize = true;                   ///< run the passes of itkNNPasses.h
  bool loops = true;                      ///< run parts for groups of an axis, see ScheduleLoops()
  /** Products of float32 on a device may round their factors to TensorFloat32, 10 bits
   * behind the point. */
  bool allowTensorFloat32 = false;
  bool deterministic = false;            ///< the same bits in every run, on devices too
  std::vector<std::string> staticInputs; ///< for the passes: inputs that stay the same for many runs
  std::vector<std::string> outputs;      ///< of a network, those that are wanted; none: all
  /** Layouts in which inputs are given: as tensors of the layout's physical shape. */
  std::map<std::string, Layout> inputLayouts;
  /** Outputs stay in the layouts of GetOutputLayouts(), as tensors of physical
   * shape; otherwise they are plain. */
  bool keepOutputLayouts = false;
  /** Of a device: outputs stay there. */
  bool keepOutputsOnDevice = false;
  /** Of a device: inputs that are read where they are when they are there already, and not
   * copied. */
  std::vector<std::string> residentInputs;
};

/** Set device and precision of a plan from texts.
 * \param device "cpu", "cuda", "cuda:1", or "auto": "cuda" where a backend serves it in this
 * precision, else "cpu".
 * \param precision the name of a floating-point type, or "tf32": float32 with
 * allowTensorFloat32.
 * \return why "auto" is the cpu, in one line; else empty. Throws Error for other texts.
 * \ingroup UniverSegCore */
UniverSegCore_EXPORT std::string SetComputation(PlanOptions & options,
                                                const std::string & device,
                                                const std::string & precision);

/** The memory of the device that plans of these options run on; null for the host's. Throws
 * Error when no backend serves it. \ingroup UniverSegCore */
UniverSegCore_EXPORT std::shared_ptr<DeviceMemory> GetDeviceMemory(const PlanOptions & options);

/** How many devices of the options' type a backend serves here. \ingroup UniverSegCore */
UniverSegCore_EXPORT int CountDevices(const PlanOptions & options);

/** The precision as SetComputation() takes it. \ingroup UniverSegCore */
UniverSegCore_EXPORT std::string GetPrecisionText(const PlanOptions & options);

/** Called between operators, in the thread that called Run(). */
struct RunHooks
{
  std::function<void(double)> progress; ///< part of the work done, in (0, 1]
  std::function<bool()> isCancelled;    ///< true ends the run with Cancelled
};

/** \class ArenaPool
 * \brief Keeps the largest arena that is not in use, for the next run of any
 * plan that shares the pool. Safe to use from several threads.
 * \ingroup UniverSegCore
 */
class UniverSegCore_EXPORT ArenaPool
{
public:
  /** \brief Memory of one run. */
  struct Arena
  {
    std::shared_ptr<void> memory;
    std::size_t bytes = 0;
  };

  /** The kept arena when it is large enough, else a new one.
   * \param device null, or whose memory all arenas of the pool are. */
  Arena Acquire(std::size_t bytes, DeviceMemory * device = nullptr);

  /** Give an arena back. */
  void Release(Arena arena);

  /** Bytes of the kept arena. */
  std::size_t GetKeptBytes() const;

  /** Free the kept arena. */
  void Clear();

private:
  mutable std::mutex m_Mutex;
  Arena m_Kept;
};

/** What the plans of one model share. */
struct PlanResources
{
  WeightCache weights;
  FoldedWeights folded;
  ArenaPool arenas;
};

struct PlanData;

/** \class ExecutionPlan
 * \brief A graph bound to weights, implementations and memory.
 *
 * On a device which is not the host inputs are copied there, outputs back, unless the
 * options say that they stay. The steps of a run with the same memory as one before are
 * recorded, and from then on replayed, where the device can.
 * Every intermediate value has an offset in one arena, so the peak memory is
 * known before anything runs. A plan is immutable: several threads may run it
 * at once, each with an arena of its own. One arena is kept for the next run, by
 * all plans that share their resources.
 *
 * With the environment variable UNIVERSEG_VERBOSE=1 a plan writes one line for
 * each operator to standard error when it is made (what was passed over, and
 * why) and when it is run:
 * `universeg,exec,BACKEND:IMPLEMENTATION,OPERATOR,NAME,SHAPES,PARAMETERS,MILLISECONDS`.
 * \ingroup UniverSegCore
 */
class UniverSegCore_EXPORT ExecutionPlan
{
public:
  /** One operator or reorder as planned. */
  struct StepInfo
  {
    std::string name;
    std::string operatorName; ///< "Reorder" for a change of layout
    std::string implementation;
    std::string description;
    Shape outputShape;
    Layout outputLayout;
    double flops = 0;
    std::size_t outputBytes = 0;
    std::int64_t repetitions = 1;     ///< of a step in a loop; flops counts all, the shape is that of one
    std::vector<std::string> skipped; ///< implementations that declined, with their reasons
  };

  /** Throws Error when a parameter is missing or has another shape, when the
   * precision is not a floating-point type the backend serves, or when no
   * implementation supports an operator.
   * \param resources shared between the plans of one model; null: the plan's own. */
  static std::shared_ptr<const ExecutionPlan> Compile(const Graph & graph,
                                                      const StateDict & weights,
                                                      const PlanOptions & options = {},
                                                      std::shared_ptr<PlanResources> resources = nullptr);

  ~ExecutionPlan();
  ExecutionPlan(const ExecutionPlan &) = delete;
  ExecutionPlan & operator=(const ExecutionPlan &) = delete;

  /** Inputs are converted to the plan's precision and to contiguous memory
   * when they are not; outputs are new tensors. Throws Error for a missing,
   * unknown or wrongly shaped input, Cancelled when the hook says so. */
  TensorMap Run(const TensorMap & inputs, const RunHooks & hooks = {}) const;

  /** Bytes of the arena: the peak of all intermediate values and scratch. */
  std::size_t GetArenaBytes() const;

  /** Counted work of the operators that run, without reorders.
   * \param productsOnly convolutions and matrix products alone. */
  double GetFlops(bool productsOnly = false) const;

  const std::vector<StepInfo> & GetSteps() const;

  /** The graph after the passes. */
  const Graph & GetGraph() const;

  /** Bytes of all outputs. */
  std::size_t GetOutputBytes() const;

  /** The layouts of the outputs. */
  std::map<std::string, Layout> GetOutputLayouts() const;

  unsigned int GetNumberOfThreads() const;

  /** Free the arena that is kept for the next run. */
  void ReleaseMemory() const;

private:
  ExecutionPlan();
  std::unique_ptr<PlanData> m_Data;
};
} // namespace nn
} // namespace itk

#endif
