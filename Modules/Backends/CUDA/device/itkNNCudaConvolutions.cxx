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
#include "itkNNCudaSharedLibrary.h"
#include "itkNNCudaStream.h"

#include <cudnn.h>

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

/** \file
 * Convolutions by the graphs of cuDNN 9. Its C functions are called, not those of the
 * headers on top of it, which need NVRTC and the shared CUDA runtime.
 */

namespace itk
{
namespace nn
{
namespace cuda
{
namespace
{
/** Engines that need more are passed over. */
constexpr std::int64_t largestWorkspace = std::int64_t{ 1 } << 30U;

/** Engines that a heuristic proposes. */
constexpr std::int64_t mostEngines = 16;

/** Addresses in an arena are multiples of more. */
constexpr std::int64_t alignment = 16;

struct Functions
{
  Functions()
#ifdef _WIN32
    : library("cudnn64_9.dll")
#else
    : library("libcudnn.so.9")
#endif
  {
    library.Get("cudnnCreate", create);
    library.Get("cudnnDestroy", destroy);
    library.Get("cudnnSetStream", setStream);
    library.Get("cudnnGetErrorString", getText);
    library.Get("cudnnBackendCreateDescriptor", createDescriptor);
    library.Get("cudnnBackendDestroyDescriptor", destroyDescriptor);
    library.Get("cudnnBackendSetAttribute", set);
    library.Get("cudnnBackendGetAttribute", get);
    library.Get("cudnnBackendFinalize", finalize);
    library.Get("cudnnBackendExecute", execute);
  }

  SharedLibrary library;
  decltype(&cudnnCreate) create = nullptr;
  decltype(&cudnnDestroy) destroy = nullptr;
  decltype(&cudnnSetStream) setStream = nullptr;
  decltype(&cudnnGetErrorString) getText = nullptr;
  decltype(&cudnnBackendCreateDescriptor) createDescriptor = nullptr;
  decltype(&cudnnBackendDestroyDescriptor) destroyDescriptor = nullptr;
  decltype(&cudnnBackendSetAttribute) set = nullptr;
  decltype(&cudnnBackendGetAttribute) get = nullptr;
  decltype(&cudnnBackendFinalize) finalize = nullptr;
  decltype(&cudnnBackendExecute) execute = nullptr;
};

const Functions &
GetFunctions()
{
  static const Functions functions;
  return functions;
}

int
CheckGraph(cudnnStatus_t status, const char * what)
{
  return status == CUDNN_STATUS_SUCCESS ? 0
                                        : Fail(std::string("cuDNN, ") + what + ": " + GetFunctions().getText(status));
}

#define UNIVERSEG_CUDNN_CHECK(call, what)                                                                              \
  do                                                                                                                   \
  {                                                                                                                    \
    if (const int failedCall = CheckGraph(call, what); failedCall != 0)                                                \
    {                                                                                                                  \
      return failedCall;                                                                                               \
    }                                                                                                                  \
  }                                                                                                                    \
  while (false)

/** \class Descriptor
 * \brief An object of a graph. The first call that fails is kept. */
class Descriptor
{
public:
  explicit Descriptor(cudnnBackendDescriptorType_t type)
    : m_Status(GetFunctions().createDescriptor(type, &m_Descriptor))
  {}
  ~Descriptor()
  {
    if (m_Descriptor != nullptr)
    {
      GetFunctions().destroyDescriptor(m_Descriptor);
    }
  }
  Descriptor(const Descriptor &) = delete;
  Descriptor & operator=(const Descriptor &) = delete;

  Descriptor & Set(cudnnBackendAttributeName_t name,
                   cudnnBackendAttributeType_t type,
                   const void * values,
                   std::int64_t count = 1)
  {
    if (m_Status == CUDNN_STATUS_SUCCESS)
    {
      m_Status = GetFunctions().set(m_Descriptor, name, type, count, values);
    }
    return *this;
  }
  Descriptor & Set(cudnnBackendAttributeName_t name, const Descriptor & other)
  {
    cudnnBackendDescriptor_t value = other.m_Descriptor;
    return this->Set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, &value);
  }
  Descriptor & Set(cudnnBackendAttributeName_t name, std::int64_t value)
  {
    return this->Set(name, CUDNN_TYPE_INT64, &value);
  }
  Descriptor & Set(cudnnBackendAttributeName_t name, double value)
  {
    return this->Set(name, CUDNN_TYPE_DOUBLE, &value);
  }

  cudnnStatus_t Finalize()
  {
    m_Status = m_Status == CUDNN_STATUS_SUCCESS ? GetFunctions().finalize(m_Descriptor) : m_Status;
    return m_Status;
  }

  cudnnBackendDescriptor_t Get() const
  {
    return m_Descriptor;
  }

private:
  cudnnBackendDescriptor_t m_Descriptor = nullptr;
  cudnnStatus_t m_Status;
};

using DescriptorPointer = std::unique_ptr<Descriptor>;

/** Numbers of the tensors of a graph. */
enum TensorId : std::int64_t
{
  idX = 1,
  idW,
  idY,
  idBias,
  idSum,   ///< between the convolution and the bias
  idBiased ///< between the bias and the rectifier
};

/** \class ConvolutionGraph
 * \brief The operations of a convolution, and the engine that runs them. */
class ConvolutionGraph
{
public:
  int Build(cudnnHandle_t handle, const ConvolutionDescription & d);

  std::int64_t GetWorkspace() const
  {
    return m_Workspace;
  }
  int Run(cudnnHandle_t handle, void * x, void * w, void * y, const void * bias, void * workspace) const;

private:
  int AddTensor(const Image & image, std::int64_t id, cudnnDataType_t type, bool isVirtual, Descriptor *& tensor);
  int AddOperation(DescriptorPointer operation, const char * what);
  int AddConvolution(const ConvolutionDescription & d, Descriptor & x, Descriptor & w, Descriptor & y);
  int AddPointwise(cudnnPointwiseMode_t mode,
                   const ConvolutionDescription & d,
                   Descriptor & from,
                   Descriptor * operand,
                   Descriptor & to);
  int ChooseEngine(cudnnHandle_t handle, const ConvolutionDescription & d, Descriptor & graph);
  bool TryEngine(cudnnHandle_t handle, const ConvolutionDescription & d, cudnnBackendDescriptor_t configuration);

  std::vector<DescriptorPointer> m_Parts;
  std::vector<cudnnBackendDescriptor_t> m_Operations;
  DescriptorPointer m_Plan;
  std::int64_t m_Workspace = 0;
  bool m_HasBias = false;
  std::size_t m_FirstAxis = 0; ///< of the spatial ones
  cudnnDataType_t m_Compute = CUDNN_DATA_FLOAT;
};

cudnnDataType_t
ToDataType(ElementType type)
{
  switch (type)
  {
    case ElementType::Double:
      return CUDNN_DATA_DOUBLE;
    case ElementType::Half:
      return CUDNN_DATA_HALF;
    case ElementType::BFloat16:
      return CUDNN_DATA_BFLOAT16;
    default:
      return CUDNN_DATA_FLOAT;
  }
}

/** Images of one slice are two-dimensional. */
bool
IsFlat(const ConvolutionDescription & d)
{
  return d.x.extents[2] == 1 && d.y.extents[2] == 1 && d.window.kernel[0] == 1 && d.window.padding[0] == 0 &&
         d.paddingEnd[0] == 0;
}

int
ConvolutionGraph::AddTensor(
  const Image & image, std::int64_t id, cudnnDataType_t type, bool isVirtual, Descriptor *& tensor)
{
  std::vector<std::int64_t> extents{ image.extents[0], image.extents[1] };
  std::vector<std::int64_t> strides{ image.strides[0], image.strides[1] };
  extents.insert(extents.end(), image.extents + 2 + m_FirstAxis, image.extents + 5);
  strides.insert(strides.end(), image.strides + 2 + m_FirstAxis, image.strides + 5);
  const auto rank = static_cast<std::int64_t>(extents.size());
  auto part = std::make_unique<Descriptor>(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  part->Set(CUDNN_ATTR_TENSOR_UNIQUE_ID, id)
    .Set(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, &type)
    .Set(CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, extents.data(), rank)
    .Set(CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, strides.data(), rank)
    .Set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, alignment)
    .Set(CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, &isVirtual);
  UNIVERSEG_CUDNN_CHECK(part->Finalize(), "a tensor");
  tensor = part.get();
  m_Parts.push_back(std::move(part));
  return 0;
}

int
ConvolutionGraph::AddOperation(DescriptorPointer operation, const char * what)
{
  UNIVERSEG_CUDNN_CHECK(operation->Finalize(), what);
  m_Operations.push_back(operation->Get());
  m_Parts.push_back(std::move(operation));
  return 0;
}

int
ConvolutionGraph::AddConvolution(const ConvolutionDescription & d, Descriptor & x, Descriptor & w, Descriptor & y)
{
  const auto axes = static_cast<std::int64_t>(3 - m_FirstAxis);
  const auto expand = [&](const std::int32_t * values)
  { return std::vector<std::int64_t>(values + m_FirstAxis, values + 3); };
  const auto stride = expand(d.window.stride);
  const auto padding = expand(d.window.padding);
  const auto paddingEnd = expand(d.paddingEnd);
  const auto dilation = expand(d.window.dilation);
  const cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
  auto convolution = std::make_unique<Descriptor>(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  convolution->Set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, axes)
    .Set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, &m_Compute)
    .Set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, &mode)
    .Set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, padding.data(), axes)
    .Set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, paddingEnd.data(), axes)
    .Set(CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, dilation.data(), axes)
    .Set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, stride.data(), axes);
  UNIVERSEG_CUDNN_CHECK(convolution->Finalize(), "a convolution");

  const double one = 1;
  const double zero = 0;
  const float oneFloat = 1;
  const float zeroFloat = 0;
  const bool isDouble = m_Compute == CUDNN_DATA_DOUBLE;
  const auto scale = [&](Descriptor & operation, cudnnBackendAttributeName_t alpha, cudnnBackendAttributeName_t beta)
  {
    const auto type = isDouble ? CUDNN_TYPE_DOUBLE : CUDNN_TYPE_FLOAT;
    operation.Set(alpha, type, isDouble ? static_cast<const void *>(&one) : &oneFloat)
      .Set(beta, type, isDouble ? static_cast<const void *>(&zero) : &zeroFloat);
  };
  DescriptorPointer operation;
  switch (d.kind)
  {
    case ConvolutionKind::Forward:
      operation = std::make_unique<Descriptor>(CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR);
      operation->Set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, *convolution)
        .Set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, x)
        .Set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, w)
        .Set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, y);
      scale(*operation, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA);
      break;
    case ConvolutionKind::DataGradient:
      operation = std::make_unique<Descriptor>(CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR);
      operation->Set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC, *convolution)
        .Set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX, x)
        .Set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W, w)
        .Set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY, y);
      scale(
        *operation, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA);
      break;
    case ConvolutionKind::WeightsGradient:
      operation = std::make_unique<Descriptor>(CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR);
      operation->Set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC, *convolution)
        .Set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X, x)
        .Set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW, w)
        .Set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY, y);
      scale(*operation,
            CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
            CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA);
      break;
  }
  m_Parts.push_back(std::move(convolution));
  return this->AddOperation(std::move(operation), "the operation");
}

int
ConvolutionGraph::AddPointwise(
  cudnnPointwiseMode_t mode, const ConvolutionDescription & d, Descriptor & from, Descriptor * operand, Descriptor & to)
{
  auto pointwise = std::make_unique<Descriptor>(CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
  pointwise->Set(CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, &mode)
    .Set(CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, &m_Compute);
  if (mode == CUDNN_POINTWISE_RELU_FWD)
  {
    pointwise->Set(CUDNN_ATTR_POINTWISE_RELU_LOWER_CLIP_SLOPE, d.negativeSlope);
  }
  UNIVERSEG_CUDNN_CHECK(pointwise->Finalize(), "a pointwise function");
  auto operation = std::make_unique<Descriptor>(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
  operation->Set(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, *pointwise)
    .Set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, from)
    .Set(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, to);
  if (operand != nullptr)
  {
    operation->Set(CUDNN_ATTR_OPERATION_POINTWISE_BDESC, *operand);
  }
  m_Parts.push_back(std::move(pointwise));
  return this->AddOperation(std::move(operation), "a pointwise operation");
}

int
ConvolutionGraph::Build(cudnnHandle_t handle, const ConvolutionDescription & d)
{
  const cudnnDataType_t type = ToDataType(d.type);
  m_Compute = d.type == ElementType::Double ? CUDNN_DATA_DOUBLE : CUDNN_DATA_FLOAT;
  m_FirstAxis = IsFlat(d) ? 1 : 0;
  m_HasBias = d.hasBias != 0;
  Descriptor * x = nullptr;
  Descriptor * w = nullptr;
  Descriptor * y = nullptr;
  int failed = this->AddTensor(d.x, idX, type, false, x);
  failed = failed != 0 ? failed : this->AddTensor(d.w, idW, type, false, w);
  failed = failed != 0 ? failed : this->AddTensor(d.y, idY, type, false, y);
  Descriptor * sum = y;
  Descriptor * biased = y;
  Descriptor * bias = nullptr;
  const bool isRectified = d.isRectified != 0;
  if (failed == 0 && (m_HasBias || isRectified))
  {
    failed = this->AddTensor(d.y, idSum, m_Compute, true, sum);
    biased = sum;
  }
  if (failed == 0 && m_HasBias)
  {
    Image channels = d.y;
    for (const int axis : { 0, 2, 3, 4 })
    {
      channels.extents[axis] = 1;
      channels.strides[axis] = d.y.extents[1];
    }
    channels.strides[1] = 1;
    failed = this->AddTensor(channels, idBias, type, false, bias);
    biased = y;
    if (failed == 0 && isRectified)
    {
      failed = this->AddTensor(d.y, idBiased, m_Compute, true, biased);
    }
  }
  failed = failed != 0 ? failed : this->AddConvolution(d, *x, *w, *sum);
  if (failed == 0 && m_HasBias)
  {
    failed = this->AddPointwise(CUDNN_POINTWISE_ADD, d, *sum, bias, *biased);
  }
  if (failed == 0 && isRectified)
  {
    failed = this->AddPointwise(CUDNN_POINTWISE_RELU_FWD, d, *biased, nullptr, *y);
  }
  if (failed != 0)
  {
    return failed;
  }
  Descriptor graph(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  graph.Set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, &handle)
    .Set(CUDNN_ATTR_OPERATIONGRAPH_OPS,
         CUDNN_TYPE_BACKEND_DESCRIPTOR,
         m_Operations.data(),
         static_cast<std::int64_t>(m_Operations.size()));
  UNIVERSEG_CUDNN_CHECK(graph.Finalize(), "the graph");
  return this->ChooseEngine(handle, d, graph);
}

int
ConvolutionGraph::ChooseEngine(cudnnHandle_t handle, const ConvolutionDescription & d, Descriptor & graph)
{
  for (const cudnnBackendHeurMode_t mode : { CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK })
  {
    Descriptor heuristic(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
    heuristic.Set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph)
      .Set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, &mode);
    if (heuristic.Finalize() != CUDNN_STATUS_SUCCESS)
    {
      continue;
    }
    std::vector<DescriptorPointer> owners;
    std::vector<cudnnBackendDescriptor_t> configurations;
    for (std::int64_t i = 0; i < mostEngines; ++i)
    {
      owners.push_back(std::make_unique<Descriptor>(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR));
      configurations.push_back(owners.back()->Get());
    }
    std::int64_t count = 0;
    if (GetFunctions().get(heuristic.Get(),
                           CUDNN_ATTR_ENGINEHEUR_RESULTS,
                           CUDNN_TYPE_BACKEND_DESCRIPTOR,
                           mostEngines,
                           &count,
                           configurations.data()) != CUDNN_STATUS_SUCCESS)
    {
      continue;
    }
    for (std::int64_t i = 0; i < std::min(count, mostEngines); ++i)
    {
      if (this->TryEngine(handle, d, configurations[static_cast<std::size_t>(i)]))
      {
        return 0;
      }
    }
  }
  return Fail("cuDNN has no engine for the convolution");
}

/** What an engine does that its user may not want. */
bool
IsWanted(const ConvolutionDescription & d, cudnnBackendDescriptor_t configuration)
{
  Descriptor engine(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  cudnnBackendDescriptor_t value = engine.Get();
  std::int64_t count = 0;
  if (GetFunctions().get(
        configuration, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &count, &value) !=
      CUDNN_STATUS_SUCCESS)
  {
    return false;
  }
  cudnnBackendNumericalNote_t notes[CUDNN_NUMERICAL_NOTE_TYPE_COUNT] = {};
  if (GetFunctions().get(value,
                         CUDNN_ATTR_ENGINE_NUMERICAL_NOTE,
                         CUDNN_TYPE_NUMERICAL_NOTE,
                         CUDNN_NUMERICAL_NOTE_TYPE_COUNT,
                         &count,
                         notes) != CUDNN_STATUS_SUCCESS)
  {
    return false;
  }
  const bool isStrict = d.type == ElementType::Float && d.allowTensorFloat32 == 0;
  return std::none_of(notes,
                      notes + std::min<std::int64_t>(count, CUDNN_NUMERICAL_NOTE_TYPE_COUNT),
                      [&](cudnnBackendNumericalNote_t note)
                      {
                        // Of float32 these engines multiply with fewer bits.
                        const bool isRough =
                          note == CUDNN_NUMERICAL_NOTE_TENSOR_CORE || note == CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS;
                        return (isStrict && isRough) || note == CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION ||
                               (d.isDeterministic != 0 && note == CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC);
                      });
}

bool
ConvolutionGraph::TryEngine(cudnnHandle_t handle,
                            const ConvolutionDescription & d,
                            cudnnBackendDescriptor_t configuration)
{
  if (!IsWanted(d, configuration))
  {
    return false;
  }
  auto plan = std::make_unique<Descriptor>(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
  plan->Set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, &handle)
    .Set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, CUDNN_TYPE_BACKEND_DESCRIPTOR, &configuration);
  if (plan->Finalize() != CUDNN_STATUS_SUCCESS)
  {
    return false;
  }
  std::int64_t count = 0;
  if (GetFunctions().get(
        plan->Get(), CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1, &count, &m_Workspace) !=
        CUDNN_STATUS_SUCCESS ||
      m_Workspace > largestWorkspace)
  {
    return false;
  }
  m_Plan = std::move(plan);
  return true;
}

int
ConvolutionGraph::Run(cudnnHandle_t handle, void * x, void * w, void * y, const void * bias, void * workspace) const
{
  const std::int64_t ids[] = { idX, idW, idY, idBias };
  void * addresses[] = { x, w, y, const_cast<void *>(bias) };
  const std::int64_t count = m_HasBias ? 4 : 3;
  Descriptor memory(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  memory.Set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, ids, count)
    .Set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, addresses, count)
    .Set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, &workspace);
  UNIVERSEG_CUDNN_CHECK(memory.Finalize(), "the tensors");
  UNIVERSEG_CUDNN_CHECK(GetFunctions().execute(handle, m_Plan->Get(), memory.Get()), "running a convolution");
  return 0;
}

/** Plans are made with a handle of their device's own, one after the other. */
struct Preparation
{
  std::mutex mutex;
  std::map<int, cudnnHandle_t> handles;
};

Preparation &
GetPreparation()
{
  static Preparation preparation;
  return preparation;
}
} // namespace

int
PrepareConvolution(int device, const ConvolutionDescription * description, void ** prepared, std::size_t * workspace)
{
  if (!GetFunctions().library.GetReason().empty())
  {
    return Fail(GetFunctions().library.GetReason());
  }
  const std::lock_guard<std::mutex> lock(GetPreparation().mutex);
  UNIVERSEG_CUDA_CHECK(cudaSetDevice(device));
  cudnnHandle_t & handle = GetPreparation().handles[device];
  if (handle == nullptr)
  {
    UNIVERSEG_CUDNN_CHECK(GetFunctions().create(&handle), "a handle");
  }
  auto graph = std::make_unique<ConvolutionGraph>();
  if (const int failed = graph->Build(handle, *description); failed != 0)
  {
    return failed;
  }
  *workspace = static_cast<std::size_t>(graph->GetWorkspace());
  *prepared = graph.release();
  return 0;
}

namespace
{
int
MakeHandle(Stream & stream)
{
  if (stream.convolutions == nullptr)
  {
    cudnnHandle_t handle = nullptr;
    UNIVERSEG_CUDNN_CHECK(GetFunctions().create(&handle), "a handle");
    stream.convolutions = handle;
    UNIVERSEG_CUDNN_CHECK(GetFunctions().setStream(handle, stream.stream), "a handle's stream");
  }
  return 0;
}
} // namespace

int
PrepareLibraries(Stream & stream)
{
  {
    const std::lock_guard<std::mutex> lock(GetPreparation().mutex);
    if (GetPreparation().handles.count(stream.device) == 0)
    {
      return 0;
    }
  }
  return MakeHandle(stream);
}

int
RunConvolution(void * to, const void * prepared, void * x, void * w, void * y, const void * bias, void * workspace)
{
  auto & stream = *static_cast<Stream *>(to);
  UNIVERSEG_CUDA_CHECK(cudaSetDevice(stream.device));
  if (const int failed = MakeHandle(stream); failed != 0)
  {
    return failed;
  }
  const auto handle = static_cast<cudnnHandle_t>(stream.convolutions);
  return static_cast<const ConvolutionGraph *>(prepared)->Run(handle, x, w, y, bias, workspace);
}

int
DestroyConvolution(void * prepared)
{
  delete static_cast<ConvolutionGraph *>(prepared);
  return 0;
}

void
ReleaseLibraries(Stream & stream)
{
  if (stream.convolutions != nullptr)
  {
    GetFunctions().destroy(static_cast<cudnnHandle_t>(stream.convolutions));
    stream.convolutions = nullptr;
  }
}
} // namespace cuda
} // namespace nn
} // namespace itk
