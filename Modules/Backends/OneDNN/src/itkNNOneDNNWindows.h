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
#ifndef itkNNOneDNNWindows_h
#define itkNNOneDNNWindows_h

#include "itkNNOneDNNCommon.h"

#include <array>
#include <type_traits>

namespace itk
{
namespace nn
{
namespace onednn
{
// What the operators with windows over channels and pixels share.

using Dims = dnnl::memory::dims;
using Tag = dnnl::memory::format_tag;
constexpr auto f32 = dnnl::memory::data_type::f32;

/** [batch..., channels, spatial...] as [N, C, spatial...]. */
Dims MergeBatch(const Shape & shape, std::size_t rank);

/** The format of a layout for values with channels on the second of some axes. */
Tag TagOf(Layout::Kind kind, std::size_t axes);

/** The layout of what a primitive chose; false when the plan knows no such. */
bool ToLayout(const dnnl::memory::desc & description, int channelAxis, Layout & layout);

/** Layouts to ask for. */
struct LayoutChoice
{
  Tag src;
  Tag dst;
};

/** In turn: channels blocked where they fill the blocks, so that neighbours
 * agree without reorders; what the primitive likes best; what the plan can
 * always give. */
std::vector<LayoutChoice> GetLayoutChoices(const Dims & src, const Dims & dst);

/** How much a primitive is a fallback of oneDNN, for which another layout may have a better: 0 not
 * at all, 1 matrix products of copies, 2 loops. */
int GetSlowness(const std::string & implementation);

/** The first proposal that is no fallback of oneDNN, over the layouts to ask for; else the first
 * of the least slow. propose(choice) may throw dnnl::error. */
template <typename TPropose>
Proposal
ProposeInLayouts(const Dims & src, const Dims & dst, TPropose && propose)
{
  Proposal slow;
  std::string reason = "no primitive";
  for (const auto & choice : GetLayoutChoices(src, dst))
  {
    try
    {
      Proposal proposal = propose(choice);
      if (!proposal.IsSupported())
      {
        reason = proposal.reason;
      }
      else if (GetSlowness(proposal.detail) == 0)
      {
        return proposal;
      }
      else if (slow.detail.empty() || GetSlowness(proposal.detail) < GetSlowness(slow.detail))
      {
        slow = std::move(proposal);
      }
    }
    catch (const dnnl::error & error)
    {
      reason = std::string("oneDNN: ") + error.what();
    }
  }
  return slow.detail.empty() ? Proposal::Unsupported(std::move(reason)) : std::move(slow);
}

/** Why a primitive is not taken whose layouts ToLayout() does not know. */
constexpr const char * unknownLayout = "the primitive chose a layout that the plan does not know";

/** Weights as the engine has them, with an axis for groups where there are more than one. */
dnnl::memory::desc PlainWeights(const Shape & shape, std::int64_t groups);

/** oneDNN counts the elements left out. */
Dims ToDilation(const std::vector<std::int64_t> & dilation);

/** What an interpolation and its adjoint work on: rows of planes, where a row's
 * elements are blocks of channels. */
struct RowPlanes
{
  Layout layout; ///< of src and dst
  std::array<std::int64_t, 3> src{ 1, 1, 1 };
  std::array<std::int64_t, 3> dst{ 1, 1, 1 };
  std::int64_t planes = 1;
};

/** Of an operator that maps the last axes of its first input. */
RowPlanes GetRowPlanes(const OperatorCase & operatorCase, std::size_t rank);

/** compute(arguments, block, begin, end) for the rows of dst of all planes in
 * parallel, where block is a std::integral_constant. */
template <typename TCompute>
Proposal
ProposeRows(const RowPlanes & rows, unsigned int threads, TCompute compute)
{
  auto kernel = std::make_unique<FunctionKernel>(
    [=](const KernelArguments & arguments)
    {
      Parallel(rows.planes * rows.dst[0] * rows.dst[1],
               threads,
               [&](std::int64_t begin, std::int64_t end)
               {
                 switch (rows.layout.GetBlock())
                 {
                   case 8:
                     return compute(arguments, std::integral_constant<int, 8>{}, begin, end);
                   case 16:
                     return compute(arguments, std::integral_constant<int, 16>{}, begin, end);
                   default:
                     return compute(arguments, std::integral_constant<int, 1>{}, begin, end);
                 }
               });
    });
  return Proposal::FromKernel(std::move(kernel), { rows.layout }, rows.layout);
}
} // namespace onednn
} // namespace nn
} // namespace itk

#endif
