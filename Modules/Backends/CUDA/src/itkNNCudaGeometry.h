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
#ifndef itkNNCudaGeometry_h
#define itkNNCudaGeometry_h

#include "itkNNBackend.h"
#include "itkNNCudaParameters.h"

#include <string>
#include <vector>

namespace itk
{
namespace nn
{
namespace cuda
{
ElementType ToElementType(DataType type);

/** Of kernels that only move elements. */
ElementType ToBits(DataType type);

std::size_t BytesOf(ElementType type);

inline bool
IsAligned(const void * address, std::size_t bytes)
{
  return reinterpret_cast<std::uintptr_t>(address) % bytes == 0;
}

/** The layout in which kernels take an input: its own when that is a matter of
 * strides, else plain. */
Layout AcceptedLayout(const Operand & operand);

/** Strides of a value's axes in a plain or channels-last layout. */
Shape GetStrides(const Shape & shape, const Layout & layout);

/** Strides of an operand along the axes of a result to which it broadcasts. */
Shape GetBroadcastStrides(const Shape & operand, const Layout & layout, const Shape & result);

/** The layout of a result: that of its first input with the same extents from the
 * channels on, else plain. */
Layout GetCommonLayout(const OperatorCase & operatorCase);

/** \class SpaceBuilder
 * \brief Axes over which operands lie, brought together to as few as possible.
 *
 * The first operand, which is written to, says in which order: neighbours write to
 * neighbours. */
class SpaceBuilder
{
public:
  explicit SpaceBuilder(Shape extents)
    : m_Extents(std::move(extents))
  {}

  void Add(Shape strides)
  {
    m_Strides.push_back(std::move(strides));
  }

  /** False when there are more axes than kernels know. */
  bool Build();

  /** Behind Build(): make packs of elements along the last axis. False, and nothing is
   * changed, when an operand is neither side by side in packs along it nor the same for all
   * of it. \param isStrict the latter is not enough. */
  bool Pack(std::int64_t width, bool isStrict = false);

  const Space & GetSpace() const
  {
    return m_Space;
  }
  const Strides & GetStrides(std::size_t operand) const
  {
    return m_Result[operand];
  }

private:
  Shape m_Extents;
  std::vector<Shape> m_Strides;
  Space m_Space{};
  std::vector<Strides> m_Result;
};

/** A space of the given axes as they are, none left out. */
Space MakeSpace(const Shape & extents);

/** The last `rank` axes are spatial, the one before them the channels; leading ones of
 * extent 1 are added. */
Image MakeImage(const Shape & shape, const Layout & layout, std::size_t rank);

/** Items in the order of an image in a layout. */
ImageItems MakeItems(const Image & image, const Layout & layout);

/** Sets what an operator has of it: stride, padding and dilation, one entry an axis. */
Window MakeWindow(const std::vector<std::int64_t> & kernel,
                  const std::vector<std::int64_t> & stride,
                  const std::vector<std::int64_t> & padding,
                  const std::vector<std::int64_t> & dilation);

/** An operand of a post-operation: an input of the case, with the shape that it is to
 * have, which broadcasts to the result. */
struct ChainOperand
{
  std::size_t input;
  Shape shape;
};

/** The inputs of a case from a number on. */
std::vector<ChainOperand> GetOperands(const OperatorCase & operatorCase, std::size_t first);

/** \class ChainBuilder
 * \brief Post-operations as kernels know them. */
class ChainBuilder
{
public:
  /** \param operands of the binary operations, in order. */
  ChainBuilder(const std::vector<PostOperation> & operations, const std::vector<ChainOperand> & operands);

  /** Parts that fit a kernel each, at least one. */
  std::size_t GetNumberOfParts() const
  {
    return m_Parts.size();
  }
  /** What a part reads. */
  const std::vector<ChainOperand> & GetOperands(std::size_t part) const
  {
    return m_Parts[part].operands;
  }
  /** Without operands' addresses and strides. */
  const Chain & GetChain(std::size_t part) const
  {
    return m_Parts[part].chain;
  }

  /** Sets the operands' addresses. */
  static void Bind(Chain & chain, const std::vector<ChainOperand> & operands, const KernelArguments & arguments);

private:
  struct Part
  {
    Chain chain{};
    std::vector<ChainOperand> operands;
  };
  std::vector<Part> m_Parts;
};
} // namespace cuda
} // namespace nn
} // namespace itk

#endif
