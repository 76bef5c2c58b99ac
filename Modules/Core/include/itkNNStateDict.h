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
#ifndef itkNNStateDict_h
#define itkNNStateDict_h

#include "itkNNTensor.h"

#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace itk
{
namespace nn
{
/** \class WeightSource
 * \brief A file that tensors lie in, from which their memory can be had again.
 *
 * Plans read it while they are made and copy what they need later.
 * \ingroup UniverSegCore
 */
class UniverSegCore_EXPORT WeightSource
{
public:
  WeightSource() = default;
  virtual ~WeightSource();
  WeightSource(const WeightSource &) = delete;
  WeightSource & operator=(const WeightSource &) = delete;

  /** Whether a tensor's elements lie there. */
  virtual bool Has(const Tensor & tensor) const = 0;

  /** Throws Error when what is there now is not what was there at first. */
  virtual void Check() const = 0;

  /** Give memory back to the system, until it is read again. */
  virtual void Unload() const = 0;
};

/** \class StateDict
 * \brief Named tensors in the order in which they were added.
 *
 * The weights of a network under the names that its reference implementation
 * gave them.
 * \ingroup UniverSegCore
 */
class UniverSegCore_EXPORT StateDict
{
public:
  using Entry = std::pair<std::string, Tensor>;
  using ConstIterator = std::vector<Entry>::const_iterator;

  /** Append; throws Error when the name is taken. */
  void Add(std::string name, Tensor tensor);
  /** Replace, or append when the name is new. */
  void Set(const std::string & name, Tensor tensor);

  bool Has(const std::string & name) const;
  /** Throws Error, which lists similar names, when there is none. */
  const Tensor & Get(const std::string & name) const;

  std::size_t GetSize() const
  {
    return m_Entries.size();
  }
  bool IsEmpty() const
  {
    return m_Entries.empty();
  }
  /** Sum of the tensors' elements. */
  std::int64_t GetNumberOfElements() const;

  /** Null unless some of the tensors lie in a file. */
  const std::shared_ptr<const WeightSource> & GetSource() const
  {
    return m_Source;
  }
  void SetSource(std::shared_ptr<const WeightSource> source)
  {
    m_Source = std::move(source);
  }

  ConstIterator begin() const
  {
    return m_Entries.begin();
  }
  ConstIterator end() const
  {
    return m_Entries.end();
  }

private:
  std::vector<Entry> m_Entries;
  std::unordered_map<std::string, std::size_t> m_Index;
  std::shared_ptr<const WeightSource> m_Source;
};
} // namespace nn
} // namespace itk

#endif
