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
#include "itkNNParallel.h"
#include "itkNNReferenceKernels.h"

#include <algorithm>
#include <cstring>

namespace itk
{
namespace nn
{
namespace reference
{
namespace
{
/** View of an input of a kernel. Kernels only read it. */
Tensor
ViewInput(const KernelArguments & arguments, std::size_t input, const ValueType & type)
{
  return Tensor::Wrap(const_cast<void *>(arguments.inputs[input]), type.shape, type.type);
}

/** Copy a strided view, the first axis shared among threads. */
void
CopyInParallel(const Tensor & from, const Tensor & to, unsigned int threads)
{
  if (from.GetNumberOfElements() == 0)
  {
    return;
  }
  if (from.GetRank() == 0)
  {
    Tensor(to).CopyFrom(from);
    return;
  }
  ParallelFor(from.GetShape()[0],
              threads,
              [&](std::int64_t begin, std::int64_t end)
              { Tensor(to).Slice(0, begin, end).CopyFrom(from.Slice(0, begin, end)); });
}

/** A kernel that copies view(src) to the output. */
template <typename TView>
std::unique_ptr<Kernel>
MakeViewKernel(const OperatorCase & operatorCase, TView view)
{
  const ValueType input = operatorCase.inputs[0].type;
  const ValueType output = operatorCase.output;
  const unsigned int threads = operatorCase.threads;
  return std::make_unique<FunctionKernel>(
    [=](const KernelArguments & arguments)
    {
      CopyInParallel(
        view(ViewInput(arguments, 0, input)), Tensor::Wrap(arguments.output, output.shape, output.type), threads);
    });
}
} // namespace

std::unique_ptr<Kernel>
MakeKernel(const Concatenation & op, const OperatorCase & operatorCase)
{
  std::vector<ValueType> inputs;
  for (const auto & input : operatorCase.inputs)
  {
    inputs.push_back(input.type);
  }
  const ValueType output = operatorCase.output;
  const unsigned int threads = operatorCase.threads;
  const int axis = op.axis;
  return std::make_unique<FunctionKernel>(
    [=](const KernelArguments & arguments)
    {
      const Tensor dst = Tensor::Wrap(arguments.output, output.shape, output.type);
      std::int64_t begin = 0;
      for (std::size_t i = 0; i < inputs.size(); ++i)
      {
        Shape part = output.shape;
        part[axis] = inputs[i].shape[axis];
        if (NumberOfElements(part) > 0)
        {
          const Tensor to = dst.Slice(axis, begin, begin + part[axis]);
          CopyInParallel(ViewInput(arguments, i, inputs[i]).Broadcast(part), to, threads);
        }
        begin += part[axis];
      }
    });
}

std::unique_ptr<Kernel>
MakeKernel(const Insertion & op, const OperatorCase & operatorCase)
{
  const ValueType type = operatorCase.output;
  const ValueType patchType = operatorCase.inputs[1].type;
  const Slice place = GetPatchSlice(op, patchType.shape);
  const unsigned int threads = operatorCase.threads;
  return std::make_unique<FunctionKernel>(
    [=](const KernelArguments & arguments)
    {
      Tensor result = Tensor::Wrap(arguments.output, type.shape, type.type);
      // In place the source is there already.
      if (arguments.inputs[0] != arguments.output)
      {
        CopyInParallel(ViewInput(arguments, 0, type), result, threads);
      }
      for (std::size_t i = 0; i < type.shape.size(); ++i)
      {
        result = result.Slice(static_cast<int>(i), place.begin[i], place.end[i], place.step[i]);
      }
      CopyInParallel(ViewInput(arguments, 1, patchType), result, threads);
    });
}

std::unique_ptr<Kernel>
MakeKernel(const Slice & op, const OperatorCase & operatorCase)
{
  return MakeViewKernel(operatorCase,
                        [op](Tensor view)
                        {
                          for (std::size_t i = 0; i < op.begin.size(); ++i)
                          {
                            view = view.Slice(static_cast<int>(i), op.begin[i], op.end[i], op.step[i]);
                          }
                          return view;
                        });
}

std::unique_ptr<Kernel>
MakeKernel(const Permutation & op, const OperatorCase & operatorCase)
{
  return MakeViewKernel(operatorCase, [op](const Tensor & view) { return view.Permute(op.order); });
}

std::unique_ptr<Kernel>
MakeKernel(const Broadcast & op, const OperatorCase & operatorCase)
{
  return MakeViewKernel(operatorCase, [op](const Tensor & view) { return view.Broadcast(op.shape); });
}

namespace
{
/** Offset in memory of the element of a value with a row-major number. */
class LayoutIndex
{
public:
  LayoutIndex(const Shape & shape, const Layout & layout)
    : m_Kind(layout.kind)
    , m_Block(std::max(layout.GetBlock(), 1))
  {
    if (!layout.IsPlain())
    {
      m_Channels = shape[layout.axis];
      m_Inner = NumberOfElements(Shape(shape.begin() + layout.axis + 1, shape.end()));
    }
  }

  std::int64_t operator()(std::int64_t element) const
  {
    if (m_Kind == Layout::Kind::Plain)
    {
      return element;
    }
    const std::int64_t inner = element % m_Inner;
    const std::int64_t channel = element / m_Inner % m_Channels;
    const std::int64_t outer = element / m_Inner / m_Channels;
    if (m_Kind == Layout::Kind::ChannelsLast)
    {
      return (outer * m_Inner + inner) * m_Channels + channel;
    }
    const std::int64_t blocks = (m_Channels + m_Block - 1) / m_Block;
    return ((outer * blocks + channel / m_Block) * m_Inner + inner) * m_Block + channel % m_Block;
  }

private:
  Layout::Kind m_Kind;
  std::int64_t m_Block;
  std::int64_t m_Channels = 1;
  std::int64_t m_Inner = 1;
};

template <typename T>
std::unique_ptr<Kernel>
MakeTypedReorder(const ValueType & type, const Layout & from, const Layout & to, unsigned int threads)
{
  const LayoutIndex indexFrom(type.shape, from);
  const LayoutIndex indexTo(type.shape, to);
  const std::int64_t count = NumberOfElements(type.shape);
  const std::int64_t physical = to.GetPhysicalElements(type.shape);
  return std::make_unique<FunctionKernel>(
    [=](const KernelArguments & arguments)
    {
      const auto * src = static_cast<const T *>(arguments.inputs[0]);
      auto * dst = static_cast<T *>(arguments.output);
      if (physical != count)
      {
        std::memset(dst, 0, static_cast<std::size_t>(physical) * sizeof(T));
      }
      ParallelFor(count,
                  threads,
                  [&](std::int64_t begin, std::int64_t end)
                  {
                    for (std::int64_t i = begin; i < end; ++i)
                    {
                      dst[indexTo(i)] = src[indexFrom(i)];
                    }
                  });
    });
}
} // namespace

std::unique_ptr<Kernel>
MakeReorderKernel(const ValueType & type, const Layout & from, const Layout & to, unsigned int threads)
{
  switch (SizeOf(type.type))
  {
    case 1:
      return MakeTypedReorder<std::uint8_t>(type, from, to, threads);
    case 2:
      return MakeTypedReorder<std::uint16_t>(type, from, to, threads);
    case 4:
      return MakeTypedReorder<std::uint32_t>(type, from, to, threads);
    default:
      return MakeTypedReorder<std::uint64_t>(type, from, to, threads);
  }
}
} // namespace reference
} // namespace nn
} // namespace itk
