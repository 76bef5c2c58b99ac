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
#include "itkNNCudaLibraries.h"

#include "itkNNCudaKernel.h"

#include <algorithm>
#include <cstdlib>
#include <limits>

namespace itk
{
namespace nn
{
namespace cuda
{
namespace
{
/** For tests and comparisons: kernels of our own only. */
bool
IsSwitchedOff()
{
  const char * value = std::getenv("UNIVERSEG_CUDA_LIBRARIES");
  return value != nullptr && std::string(value) == "never";
}

/** Why the libraries are not asked; empty when they are. */
std::string
GetUnsupportedReason(const OperatorCase & operatorCase)
{
  if (operatorCase.device == nullptr)
  {
    return "runs on a CUDA device, not on the cpu";
  }
  if (IsSwitchedOff())
  {
    return "UNIVERSEG_CUDA_LIBRARIES is never";
  }
  const DataType type = operatorCase.output.type;
  if (!IsFloatingPoint(type))
  {
    return std::string("computes in floating-point types, not in ") + nn::ToString(type);
  }
  const bool isEmpty = std::any_of(operatorCase.inputs.begin(),
                                   operatorCase.inputs.end(),
                                   [](const Operand & input) { return NumberOfElements(input.type.shape) == 0; });
  return isEmpty || NumberOfElements(operatorCase.output.shape) == 0 ? "an operand is empty" : "";
}

Memory &
GetMemory(const OperatorCase & operatorCase)
{
  auto * memory = dynamic_cast<Memory *>(operatorCase.device);
  itkNNRequireMacro(memory != nullptr, "A kernel of a CUDA device needs memory of it");
  return *memory;
}

/** What a library has prepared, released with the last kernel. */
struct Prepared
{
  std::shared_ptr<void> object;
  std::size_t workspace = 0;
};

/** Null, and the reason, when the library has nothing for the description. */
template <typename TDescription>
Prepared
Prepare(Memory & memory,
        int (*Table::*prepare)(int, const TDescription *, void **, std::size_t *),
        int (*Table::*destroy)(void *),
        const TDescription & description,
        std::string & reason)
{
  const Table & table = memory.GetTable();
  Prepared prepared;
  void * object = nullptr;
  if ((table.*prepare)(memory.GetDevice(), &description, &object, &prepared.workspace) != 0)
  {
    reason = table.GetLastError();
    return prepared;
  }
  prepared.object = std::shared_ptr<void>(
    object, [&table, destroy](void * released) { static_cast<void>((table.*destroy)(released)); });
  return prepared;
}

/** cuDNN wants strides of axes of one element as well. */
Image
WithAllStrides(Image image)
{
  std::int64_t whole = 1;
  for (int d = 0; d < 5; ++d)
  {
    whole = std::max(whole, image.extents[d] * image.strides[d]);
  }
  std::replace(image.strides, image.strides + 5, std::int64_t{ 0 }, whole);
  return image;
}

/** Layout of an image for tensor cores, or as it is. */
Layout
ChooseLayout(const Operand & image, std::size_t rank, bool isLast)
{
  const int axis = static_cast<int>(image.type.shape.size() - rank) - 1;
  if (isLast)
  {
    return { Layout::Kind::ChannelsLast, axis };
  }
  const Layout layout = AcceptedLayout(image);
  return layout.axis == axis ? layout : Layout{};
}

/** Plain memory to another layout. */
CopyParameters
MakeTurn(const Shape & shape, const Layout & from, const Layout & to)
{
  SpaceBuilder builder(shape);
  builder.Add(GetStrides(shape, to));
  builder.Add(GetStrides(shape, from));
  // A copy of a convolution's weights has five axes at most.
  builder.Build();
  CopyParameters p{};
  p.space = builder.GetSpace();
  p.dstStrides = builder.GetStrides(0);
  p.srcStrides = builder.GetStrides(1);
  return p;
}

/** Constant weights with the channels last, on the device; shared by the plans of a model. */
std::shared_ptr<const void>
TurnConstant(const Operand & weights, const Layout & layout, const OperatorCase & operatorCase)
{
  const Shape & shape = weights.type.shape;
  std::vector<int> order;
  for (int i = 0; i < static_cast<int>(shape.size()); ++i)
  {
    if (i != layout.axis)
    {
      order.push_back(i);
    }
  }
  order.push_back(layout.axis);
  const Tensor turned = weights.constant.Permute(order).Contiguous();
  const std::size_t bytes = turned.GetNumberOfBytes();
  if (weights.name.empty())
  {
    return operatorCase.device->Upload(turned.GetRawData(), bytes);
  }
  return operatorCase.weights->GetOrCreate(
    weights.name + "|cuda|channels_last|" + nn::ToString(weights.type.type),
    bytes,
    [&](void * to) { std::copy_n(static_cast<const char *>(turned.GetRawData()), bytes, static_cast<char *>(to)); },
    operatorCase.device);
}

/** \class CudnnKernel
 * \brief A convolution of cuDNN, and passes over its result. */
class CudnnKernel : public Kernel
{
public:
  /** Of the three images, the number of the input that each is; the one that is computed
   * is the output. */
  struct Places
  {
    int x = -1;
    int w = -1;
    int y = -1;
    int bias = -1;
  };

  CudnnKernel(Prepared prepared, const Places & places, DataType type, ChainPasses passes)
    : m_Prepared(std::move(prepared))
    , m_Places(places)
    , m_Type(type)
    , m_Passes(std::move(passes))
  {}

  /** The weights, packed before. */
  void SetWeights(std::shared_ptr<const void> weights)
  {
    m_Weights = std::move(weights);
  }
  /** Weights are copied to another layout before, their gradient behind the convolution. */
  void SetTurn(const CopyParameters & turn, std::size_t bytes)
  {
    m_Turn = turn;
    m_TurnedBytes = bytes;
  }

  std::size_t GetScratchBytes() const override
  {
    return AlignedBytes(m_TurnedBytes) + m_Prepared.workspace;
  }
  bool ReadsInput(std::size_t input) const override
  {
    return static_cast<int>(input) != m_Places.w || !m_Weights;
  }

  void Execute(const KernelArguments & arguments) const override
  {
    auto * stream = dynamic_cast<Stream *>(arguments.stream);
    itkNNRequireMacro(stream != nullptr, "A kernel of a CUDA device needs a stream of it");
    // cuDNN does not write to what it reads.
    const auto place = [&](int input)
    { return input < 0 ? arguments.output : const_cast<void *>(arguments.inputs[static_cast<std::size_t>(input)]); };
    auto * scratch = static_cast<char *>(arguments.scratch);
    void * weights = m_Weights ? const_cast<void *>(m_Weights.get()) : place(m_Places.w);
    const bool isGradient = m_Places.w < 0;
    if (m_TurnedBytes > 0)
    {
      weights = scratch;
      scratch += AlignedBytes(m_TurnedBytes);
    }
    CopyParameters turn = m_Turn;
    if (m_TurnedBytes > 0 && !isGradient)
    {
      turn.src = place(m_Places.w);
      turn.dst = weights;
      stream->Launch(KernelId::Copy, ToBits(m_Type), turn);
    }
    stream->RunConvolution(m_Prepared.object.get(),
                           place(m_Places.x),
                           weights,
                           place(m_Places.y),
                           m_Places.bias < 0 ? nullptr : place(m_Places.bias),
                           scratch);
    if (m_TurnedBytes > 0 && isGradient)
    {
      turn.src = weights;
      turn.dst = arguments.output;
      stream->Launch(KernelId::Copy, ToBits(m_Type), turn);
    }
    m_Passes.Launch(*stream, arguments.output, arguments);
  }

private:
  Prepared m_Prepared;
  Places m_Places;
  DataType m_Type;
  ChainPasses m_Passes;
  std::shared_ptr<const void> m_Weights;
  CopyParameters m_Turn{};
  std::size_t m_TurnedBytes = 0;
};

template <typename TOperator>
constexpr ConvolutionKind kindOf =
  std::is_same<TOperator, Convolution>::value             ? ConvolutionKind::Forward
  : std::is_same<TOperator, TransposedConvolution>::value ? ConvolutionKind::DataGradient
                                                          : ConvolutionKind::WeightsGradient;

/** A rectifier that cuDNN has, and the slope below zero. */
bool
IsRectifier(const PostOperation & post, double & slope)
{
  const auto * unary = std::get_if<Unary>(&post.operation);
  if (unary == nullptr || (unary->function != UnaryFunction::Relu && unary->function != UnaryFunction::LeakyRelu))
  {
    return false;
  }
  slope = unary->function == UnaryFunction::Relu ? 0 : unary->alpha;
  return true;
}

/** What is to follow a convolution, and how much of it cuDNN does. */
struct Epilogue
{
  std::vector<PostOperation> operations; ///< the bias first
  std::vector<ChainOperand> operands;
  std::size_t done = 0; ///< operations that the convolution's engine does
};

/** The first graph that has an engine, the longest first. */
Prepared
PrepareLongest(Memory & memory, ConvolutionDescription & d, bool hasBias, Epilogue & epilogue, std::string & reason)
{
  double slope = 0;
  const std::size_t biases = hasBias ? 1 : 0;
  const bool canRectify = epilogue.operations.size() > biases && IsRectifier(epilogue.operations[biases], slope);
  for (std::size_t done = biases + (canRectify ? 1 : 0);; --done)
  {
    d.hasBias = hasBias && done > 0 ? 1 : 0;
    d.isRectified = done > biases ? 1 : 0;
    d.negativeSlope = slope;
    Prepared prepared = Prepare(memory, &Table::PrepareConvolution, &Table::DestroyConvolution, d, reason);
    if (prepared.object || done == 0)
    {
      epilogue.done = done;
      return prepared;
    }
  }
}

template <typename TOperator>
Proposal
ProposeConvolution(const TOperator & op, const OperatorCase & operatorCase)
{
  constexpr ConvolutionKind kind = kindOf<TOperator>;
  const std::size_t rank = op.stride.size();
  const DataType type = operatorCase.output.type;
  const bool isLast = type == DataType::Float16 || type == DataType::BFloat16 ||
                      (type == DataType::Float32 && operatorCase.allowTensorFloat32);
  // Where the three images come from, and how they lie.
  CudnnKernel::Places places;
  Operand result;
  result.type = operatorCase.output;
  std::vector<Layout> layouts = GetAcceptedLayouts(operatorCase);
  layouts[0] = ChooseLayout(operatorCase.inputs[0], rank, isLast);
  result.layout = layouts[0].IsPlain()
                  ? Layout{}
                  : Layout{ layouts[0].kind, static_cast<int>(operatorCase.output.shape.size() - rank) - 1 };
  const Layout weightsLayout = layouts[0].IsPlain() ? Layout{} : Layout{ Layout::Kind::ChannelsLast, 1 };
  const Operand * images[2] = { &operatorCase.inputs[0], &result };
  Layout imageLayouts[2] = { layouts[0], result.layout };
  const Operand * weights = nullptr;
  bool hasBias = false;
  if constexpr (kind == ConvolutionKind::WeightsGradient)
  {
    places.x = 0;
    places.y = 1;
    images[1] = &operatorCase.inputs[1];
    layouts[1] = ChooseLayout(operatorCase.inputs[1], rank, !layouts[0].IsPlain());
    // Both in the same way.
    if (layouts[1].IsPlain() != layouts[0].IsPlain())
    {
      layouts[1] = {};
    }
    imageLayouts[1] = layouts[1];
    weights = &result;
  }
  else
  {
    if constexpr (kind == ConvolutionKind::Forward)
    {
      hasBias = op.hasBias;
      places.x = 0;
      places.bias = hasBias ? 2 : -1;
    }
    else
    {
      places.y = 0;
      std::swap(images[0], images[1]);
      std::swap(imageLayouts[0], imageLayouts[1]);
    }
    places.w = 1;
    weights = &operatorCase.inputs[1];
    layouts[1] = {};
    if (hasBias)
    {
      layouts[2] = {};
    }
  }
  const Shape & shape = weights->type.shape;

  ConvolutionDescription d{};
  d.kind = kind;
  d.type = ToElementType(type);
  d.x = WithAllStrides(MakeImage(images[0]->type.shape, imageLayouts[0], rank));
  d.y = WithAllStrides(MakeImage(images[1]->type.shape, imageLayouts[1], rank));
  d.w = WithAllStrides(MakeImage(shape, weightsLayout, rank));
  d.window = MakeWindow({ shape.begin() + 2, shape.end() }, op.stride, op.padding, op.dilation);
  std::copy_n(MakeWindow({}, {}, op.paddingEnd, {}).padding, 3, d.paddingEnd);
  d.allowTensorFloat32 = operatorCase.allowTensorFloat32 ? 1 : 0;
  d.isDeterministic = operatorCase.deterministic ? 1 : 0;

  Epilogue epilogue;
  if constexpr (kind != ConvolutionKind::WeightsGradient)
  {
    epilogue.operations = op.postOperations;
    epilogue.operands = GetOperands(operatorCase, hasBias ? 3 : 2);
    if (hasBias)
    {
      Shape channels(rank + 1, 1);
      channels[0] = shape[0];
      epilogue.operations.insert(epilogue.operations.begin(), { Binary{ BinaryFunction::Add } });
      epilogue.operands.insert(epilogue.operands.begin(), { 2, channels });
    }
  }
  std::string reason;
  Memory & memory = GetMemory(operatorCase);
  Prepared prepared = PrepareLongest(memory, d, hasBias, epilogue, reason);
  if (!prepared.object)
  {
    return Proposal::Unsupported(reason);
  }
  const bool isBiasDone = hasBias && epilogue.done > 0;
  places.bias = isBiasDone ? places.bias : -1;
  epilogue.operations.erase(epilogue.operations.begin(),
                            epilogue.operations.begin() + static_cast<std::ptrdiff_t>(epilogue.done));
  epilogue.operands.erase(epilogue.operands.begin(), epilogue.operands.begin() + (isBiasDone ? 1 : 0));
  const ChainBuilder chain(epilogue.operations, epilogue.operands);
  ChainPasses passes(chain, operatorCase);
  const Shape dstStrides = GetStrides(operatorCase.output.shape, result.layout);
  for (std::size_t part = 0; part < chain.GetNumberOfParts() && !epilogue.operations.empty(); ++part)
  {
    if (!passes.Add(part, operatorCase, dstStrides, result.layout))
    {
      return Proposal::Unsupported("the operands have too many axes that do not lie one in the other");
    }
  }

  auto kernel = std::make_unique<CudnnKernel>(std::move(prepared), places, type, std::move(passes));
  if (!weightsLayout.IsPlain())
  {
    if (weights->IsConstant())
    {
      kernel->SetWeights(TurnConstant(*weights, weightsLayout, operatorCase));
    }
    else
    {
      const bool isGradient = kind == ConvolutionKind::WeightsGradient;
      kernel->SetTurn(isGradient ? MakeTurn(shape, weightsLayout, {}) : MakeTurn(shape, {}, weightsLayout),
                      static_cast<std::size_t>(NumberOfElements(shape)) * SizeOf(type));
    }
  }
  return Proposal::FromKernel(
    std::move(kernel), std::move(layouts), kind == ConvolutionKind::WeightsGradient ? Layout{} : result.layout);
}

template <typename TOperator>
class CudnnImplementation : public Implementation
{
public:
  std::string GetName() const override
  {
    return "cudnn:convolution";
  }
  Proposal Propose(const OperatorCase & operatorCase) const override
  {
    std::string reason = GetUnsupportedReason(operatorCase);
    return reason.empty() ? ProposeConvolution(std::get<TOperator>(operatorCase.op), operatorCase)
                          : Proposal::Unsupported(std::move(reason));
  }
};

/** A product for each of a batch, and of the axes in front of it. */
struct ProductCall
{
  std::int64_t a = 0;
  std::int64_t b = 0;
  std::int64_t dst = 0;
};

/** Calls of more products one after the other take longer than our own kernel. */
constexpr std::int64_t mostCalls = 64;

/** Strides of an operand [batch..., rows, columns] along the batch axes of the result. */
Shape
GetBatchStrides(const Shape & operand, std::size_t batchAxes)
{
  const Shape own = ContiguousStrides(operand);
  Shape strides(batchAxes, 0);
  const std::size_t added = batchAxes + 2 - operand.size();
  for (std::size_t i = 0; i + 2 < operand.size(); ++i)
  {
    strides[added + i] = operand[i] == 1 ? 0 : own[i];
  }
  return strides;
}

/** The largest power of two, at most 16, that divides all. */
std::int32_t
GetAlignment(const std::vector<ProductCall> & calls, std::int64_t elementBytes)
{
  std::int32_t alignment = 16;
  for (const auto & call : calls)
  {
    for (const auto offset : { call.a, call.b, call.dst })
    {
      while (offset * elementBytes % alignment != 0)
      {
        alignment /= 2;
      }
    }
  }
  return alignment;
}

Proposal
ProposeProduct(const MatrixProduct & op, const OperatorCase & operatorCase)
{
  const Shape & shape = operatorCase.output.shape;
  const Shape & a = operatorCase.inputs[0].type.shape;
  const Shape & b = operatorCase.inputs[1].type.shape;
  const std::size_t batchAxes = shape.size() - 2;
  const Shape batch(shape.begin(), shape.end() - 2);
  ProductDescription d{};
  d.type = ToElementType(operatorCase.output.type);
  d.rows = shape[batchAxes];
  d.columns = shape[batchAxes + 1];
  d.inner = a[a.size() - (op.transposeA ? 2 : 1)];
  d.batch = 1;
  const std::int64_t aColumns = a.back();
  const std::int64_t bColumns = b.back();
  d.aStrides[1] = op.transposeA ? 1 : aColumns;
  d.aStrides[2] = op.transposeA ? aColumns : 1;
  d.bStrides[1] = op.transposeB ? 1 : bColumns;
  d.bStrides[2] = op.transposeB ? bColumns : 1;
  d.allowTensorFloat32 = operatorCase.allowTensorFloat32 ? 1 : 0;
  std::vector<ProductCall> calls{ {} };
  const bool bRepeats = NumberOfElements(Shape(b.begin(), b.end() - 2)) == 1;
  const bool aIsWhole = NumberOfElements(Shape(a.begin(), a.end() - 2)) == NumberOfElements(batch);
  if (bRepeats && aIsWhole && !op.transposeA)
  {
    // Rows of all the batch, one behind the other.
    d.rows *= NumberOfElements(batch);
  }
  else
  {
    SpaceBuilder builder(batch);
    builder.Add(GetBatchStrides(shape, batchAxes));
    builder.Add(GetBatchStrides(a, batchAxes));
    builder.Add(GetBatchStrides(b, batchAxes));
    if (!builder.Build())
    {
      return Proposal::Unsupported("the batch has too many axes that do not lie one in the other");
    }
    const Space & space = builder.GetSpace();
    const int last = space.rank - 1;
    if (last >= 0)
    {
      d.batch = space.extents[last].divisor;
      d.dstBatchStride = builder.GetStrides(0).of[last];
      d.aStrides[0] = builder.GetStrides(1).of[last];
      d.bStrides[0] = builder.GetStrides(2).of[last];
    }
    for (int axis = last - 1; axis >= 0; --axis)
    {
      std::vector<ProductCall> more;
      for (std::int64_t i = 0; i < space.extents[axis].divisor; ++i)
      {
        for (const auto & call : calls)
        {
          more.push_back({ call.a + i * builder.GetStrides(1).of[axis],
                           call.b + i * builder.GetStrides(2).of[axis],
                           call.dst + i * builder.GetStrides(0).of[axis] });
        }
      }
      if (static_cast<std::int64_t>(more.size()) > mostCalls)
      {
        return Proposal::Unsupported("the batch has axes that do not lie one in the other, for more than " +
                                     std::to_string(mostCalls) + " calls");
      }
      calls = std::move(more);
    }
  }
  if (std::max({ d.rows, d.columns, d.inner, d.batch }) > std::numeric_limits<std::int32_t>::max())
  {
    return Proposal::Unsupported("an extent does not fit 32 bits");
  }
  const auto bytes = static_cast<std::int64_t>(SizeOf(operatorCase.output.type));
  d.alignment = GetAlignment(calls, bytes);
  std::string reason;
  Memory & memory = GetMemory(operatorCase);
  const Prepared prepared = Prepare(memory, &Table::PrepareProduct, &Table::DestroyProduct, d, reason);
  if (!prepared.object)
  {
    return Proposal::Unsupported(reason);
  }
  return MakeProposal(
    [prepared, calls, bytes](Stream & stream, const KernelArguments & arguments)
    {
      for (const auto & call : calls)
      {
        stream.RunProduct(prepared.object.get(),
                          static_cast<const char *>(arguments.inputs[0]) + call.a * bytes,
                          static_cast<const char *>(arguments.inputs[1]) + call.b * bytes,
                          static_cast<char *>(arguments.output) + call.dst * bytes,
                          arguments.scratch);
      }
    },
    std::vector<Layout>(2),
    {},
    prepared.workspace);
}

class CublasImplementation : public Implementation
{
public:
  std::string GetName() const override
  {
    return "cublas:product";
  }
  Proposal Propose(const OperatorCase & operatorCase) const override
  {
    std::string reason = GetUnsupportedReason(operatorCase);
    return reason.empty() ? ProposeProduct(std::get<MatrixProduct>(operatorCase.op), operatorCase)
                          : Proposal::Unsupported(std::move(reason));
  }
};
} // namespace

const Implementation *
GetLibraryImplementation(const Operator & op)
{
  static const CudnnImplementation<Convolution> convolution;
  static const CudnnImplementation<TransposedConvolution> transposed;
  static const CudnnImplementation<ConvolutionWeightsGradient> gradient;
  static const CublasImplementation product;
  return std::holds_alternative<Convolution>(op)                ? static_cast<const Implementation *>(&convolution)
       : std::holds_alternative<TransposedConvolution>(op)      ? &transposed
       : std::holds_alternative<ConvolutionWeightsGradient>(op) ? &gradient
       : std::holds_alternative<MatrixProduct>(op)              ? static_cast<const Implementation *>(&product)
                                                                : nullptr;
}
} // namespace cuda
} // namespace nn
} // namespace itk
