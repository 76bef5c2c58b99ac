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
#ifndef itkNNPlanData_h
#define itkNNPlanData_h

#include "itkNNExecutionPlan.h"

#include <limits>
#include <list>
#include <mutex>
#include <set>

namespace itk
{
namespace nn
{
/** Where a value's elements are while a plan runs. */
struct Buffer
{
  enum class Place : std::uint8_t
  {
    Arena,
    Input,    ///< index: of the graph's inputs
    Constant, ///< index: of the plan's constants
    Output    ///< index: of the graph's outputs
  };

  Place place = Place::Arena;
  std::size_t index = 0;
  std::size_t bytes = 0;
  int firstStep = 0;
  int lastStep = 0;
  std::size_t offset = 0;
  std::size_t whole = none;    ///< in the arena: the buffer that this one is a part of
  std::size_t wholeOffset = 0; ///< of the part's first byte

  static constexpr std::size_t none = std::numeric_limits<std::size_t>::max();
};

struct Step
{
  std::unique_ptr<Kernel> kernel;
  std::vector<std::size_t> inputs;  ///< buffers
  std::vector<std::size_t> outputs; ///< buffers; one but for loops
  std::size_t scratch = none;
  bool isEmpty = false; ///< nothing to compute
  double work = 0;
  ExecutionPlan::StepInfo info;

  static constexpr std::size_t none = std::numeric_limits<std::size_t>::max();
};

struct InputInfo
{
  std::string name;
  ValueType type;
  Layout layout;
  std::size_t buffer = 0; ///< of a device: in the arena unless the input is resident
};

struct OutputInfo
{
  std::string name;
  ValueType type;
  Layout layout;
  std::size_t buffer = 0; ///< copied at the end unless it is in the output itself
};

/** \class RecordingCache
 * \brief Recordings of a plan's steps for the memory of some runs. Safe to use from
 * several threads. */
class RecordingCache
{
public:
  /** Addresses: the arena and the inputs that stay where they are. */
  using Key = std::vector<const void *>;

  enum class Advice : std::uint8_t
  {
    Run,    ///< not seen before, or it cannot be recorded
    Record, ///< seen once
    Replay
  };

  Advice Ask(const Key & key, std::shared_ptr<const void> & recording);

  /** \param recording null: the steps cannot be recorded. */
  void Store(const Key & key, const std::shared_ptr<const void> & recording);

private:
  struct Entry
  {
    Key key;
    std::shared_ptr<const void> recording;
  };

  std::mutex m_Mutex;
  std::list<Entry> m_Entries; ///< the newest first
  bool m_IsPossible = true;
};

/** Everything that a plan consists of. */
struct PlanData
{
  Graph graph;
  std::vector<ExecutionPlan::StepInfo> infos;
  std::vector<Step> steps;
  std::vector<Buffer> buffers;
  std::vector<Tensor> constants;                                 ///< undefined where no kernel reads one
  std::vector<std::shared_ptr<const void>> deviceConstants = {}; ///< in their place on a device
  std::set<std::string> readParameters = {};                     ///< of the constants, also in loops
  std::vector<InputInfo> inputs;
  std::vector<OutputInfo> outputs;
  std::shared_ptr<PlanResources> resources;
  std::vector<Backend::Pointer> backends;
  std::shared_ptr<DeviceMemory> device = nullptr; ///< null on the host
  std::size_t arenaBytes = 0;
  double work = 0;
  unsigned int threads = 1;
  bool verbose = false;
  bool keepOutputsOnDevice = false;
  std::shared_ptr<RecordingCache> recordings = std::make_shared<RecordingCache>();
};

/** Choose implementations for the graph in `data` and lay out memory. What is
 * known already: graph, resources, backends, device, threads, verbose. */
void BuildPlan(PlanData & data, const StateDict & weights, const PlanOptions & options);

/** Run all steps on memory of the caller.
 * \param inputs, outputs one pointer for each of the plan's; those of a device whose inputs
 * and outputs are in its arena are not looked at.
 * \param arena data.arenaBytes bytes, aligned to 64, of the device.
 * \param progress called with the part done; false ends the run, and the result is false.
 * \param milliseconds when not null: the time of each step is added to its entry.
 * \param stream of the device; null on the host. */
bool ExecuteSteps(const PlanData & data,
                  const std::vector<const void *> & inputs,
                  const std::vector<void *> & outputs,
                  void * arena,
                  const std::function<bool(double)> & progress,
                  std::vector<double> * milliseconds = nullptr,
                  DeviceStream * stream = nullptr);

/** Where a buffer is in a run: see ExecuteSteps(). */
void * GetBufferMemory(const PlanData & data,
                       std::size_t index,
                       const std::vector<const void *> & inputs,
                       const std::vector<void *> & outputs,
                       void * arena);

/** Write a step's line of the trace.
 * \param times behind the shape: how often a loop ran the step. */
void TraceStep(const ExecutionPlan::StepInfo & info, const std::string & times, double milliseconds);

/** Bytes of a value in a layout. */
inline std::size_t
CountBytes(const ValueType & type, const Layout & layout)
{
  return static_cast<std::size_t>(layout.GetPhysicalElements(type.shape)) * SizeOf(type.type);
}
} // namespace nn
} // namespace itk

#endif
