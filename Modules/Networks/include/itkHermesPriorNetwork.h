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
#ifndef itkHermesPriorNetwork_h
#define itkHermesPriorNetwork_h

#include "itkNNNetwork.h"

namespace itk
{
namespace nn
{
/** \class HermesDomain
 * \brief What is segmented in the images of a data set, and how these were made.
 * \ingroup UniverSegNetworks
 */
struct HermesDomain
{
  std::vector<std::int64_t> tasks; ///< numbers of the classes' priors, from 0; as JSON tgt_idx
  std::int64_t modality = -1;      ///< number of the modality's prior, -1 for the last, unknown; as JSON mod_idx
};

/** \class HermesPriors
 * \brief The pools of priors of a Hermes network, and which of them a graph takes.
 *
 * Each of the five pools of tasks has tn + 1 rows, the last of which is the null task
 * that fills the lists of data sets with fewer classes; each of modalities has mn,
 * the last of which is the unknown one.
 * \ingroup UniverSegNetworks
 */
struct HermesPriors
{
  std::int64_t tasks = 72;     ///< as JSON tn
  std::int64_t modalities = 6; ///< as JSON mn
  /** Without them the priors are inputs of the graph. */
  std::vector<HermesDomain> domains;
  std::int64_t task = 0; ///< the domain that runs, if there are any
};

/** \class HermesPriorNetwork
 * \brief What the Hermes networks have in common: the data sets that they are of, as priors.
 *
 * Errors name the network.
 * \ingroup UniverSegNetworks
 */
class UniverSegNetworks_EXPORT HermesPriorNetwork : public Network
{
public:
  ~HermesPriorNetwork() override;

  virtual const HermesPriors & GetPriors() const = 0;
  /** The same network with other priors. Throws Error when a value is out of its range. */
  virtual ConstPointer WithPriors(HermesPriors priors) const = 0;
  /** Channels of the images, those of all domains. */
  virtual std::int64_t GetInputChannels() const = 0;

  std::vector<std::string> GetInputNames() const override;
  std::string GetLogitsName() const override;
  std::int64_t GetNumberOfTasks() const override;
  std::int64_t GetTask() const override;
  /** Of a domain. Throws Error without domains. */
  ConstPointer ForTask(std::int64_t task) const override;
  bool IsMultiLabel() const override;
  ImageClasses GetImageClasses() const override;
  /** Without the domains. */
  ConstPointer ForTaskInputs() const override;
  /** tgt_idx [B, T] and mod_idx [B] of domains; T is the greatest number of classes of one and
   * another, the null task that also fills the lists of the others. Throws Error also for a
   * task tn - 1, which the reference never trains. */
  TensorMap MakeTaskInputs(const std::vector<std::int64_t> & tasks) const override;
  /** A domain more, with new rows tn - 1, tn, ... of the pools of tasks: the null task stays
   * the last row, the one before it stays without a task. */
  Extension WithTask(const NewTask & task) const override;
};
} // namespace nn
} // namespace itk

#endif
